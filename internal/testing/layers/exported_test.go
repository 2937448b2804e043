package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatIsExportedNamesWhatIsExported checks that no exported function, method or field has a type
// that other packages cannot name.
func TestWhatIsExportedNamesWhatIsExported(t *testing.T) {
	files := token.NewFileSet()
	for _, line := range goList(t) {
		pkg, _, _ := strings.Cut(line, " ")
		names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		var parsed []*ast.File
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".pb.go") {
				continue
			}
			file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if file.Name.Name != "main" {
				parsed = append(parsed, file)
			}
		}
		hidden := hiddenTypes(parsed)
		for _, file := range parsed {
			for _, declared := range file.Decls {
				for _, id := range namedBy(declared) {
					if hidden[id.Name] {
						t.Errorf("%s: what is exported here has type %s, which is not", files.Position(id.Pos()),
							id.Name)
					}
				}
			}
		}
	}
}

// hiddenTypes returns the types of a package that are not exported.
func hiddenTypes(parsed []*ast.File) map[string]bool {
	hidden := make(map[string]bool)
	for _, file := range parsed {
		for _, declared := range file.Decls {
			list, ok := declared.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range list.Specs {
				if one, ok := spec.(*ast.TypeSpec); ok && !one.Name.IsExported() {
					hidden[one.Name.Name] = true
				}
			}
		}
	}
	return hidden
}

// namedBy returns the names in the types of what a declaration exports: of a function or method, and
// of the fields of types.
func namedBy(declared ast.Decl) []*ast.Ident {
	switch d := declared.(type) {
	case *ast.FuncDecl:
		if !d.Name.IsExported() || d.Recv != nil && !receiver(d.Recv.List[0].Type).IsExported() {
			return nil
		}
		return append(namedIn(d.Type.Params, true), namedIn(d.Type.Results, true)...)
	case *ast.GenDecl:
		var names []*ast.Ident
		for _, spec := range d.Specs {
			one, ok := spec.(*ast.TypeSpec)
			if !ok || !one.Name.IsExported() {
				continue
			}
			if of, ok := one.Type.(*ast.StructType); ok {
				names = append(names, namedIn(of.Fields, false)...)
			}
		}
		return names
	}
	return nil
}

// receiver returns the name of a method's type.
func receiver(of ast.Expr) *ast.Ident {
	switch of := of.(type) {
	case *ast.StarExpr:
		return receiver(of.X)
	case *ast.IndexExpr:
		return receiver(of.X)
	case *ast.IndexListExpr:
		return receiver(of.X)
	}
	return of.(*ast.Ident)
}

// namedIn returns the names in the types of parameters, or of the exported ones of fields. Names of
// other packages are not among them, and are exported there.
func namedIn(list *ast.FieldList, all bool) []*ast.Ident {
	if list == nil {
		return nil
	}
	var names []*ast.Ident
	for _, field := range list.List {
		shown := all
		for _, name := range field.Names {
			shown = shown || name.IsExported()
		}
		if !shown {
			continue
		}
		ast.Inspect(field.Type, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				return false
			case *ast.Field: // of a function's type: its names are of parameters
				names = append(names, namedIn(&ast.FieldList{List: []*ast.Field{n}}, true)...)
				return false
			case *ast.Ident:
				names = append(names, n)
			}
			return true
		})
	}
	return names
}
