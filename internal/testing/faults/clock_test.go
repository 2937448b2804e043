package faults_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/internal/testing/harness/expect"
)

// wallClocks are the functions that may make a time of a number or compute with one;
// by file and name, with the reason.
var wallClocks = map[string]string{
	"client/block/run.go timedRun":                              "a run's id packed into a header; no clock is read",
	"client/block/run.go String":                                "shown to people",
	"internal/terminal/snapshot.go since":                       "shown to people",
	"internal/terminal/snapshot.go PrintStatus":                 "shown to people",
	"internal/terminal/snapshot.go printCertificate":            "the validity of a certificate is the wall clock's",
	"internal/terminal/status.go runLine":                       "shown to people",
	"supervisor/cluster/jetstream/records.go joined":            "aligns supervisors by the engine's clock",
	"supervisor/report/judge/certificate.go certificateExpires": "the validity of a certificate is the wall clock's",
	"supervisor/report/stamp.go UTC":                            "shown to people",
	"supervisor/resume.go recover":                              "shown to people: when the run began",
}

// A step of the wall clock changes nothing that a program does: no program subtracts,
// adds to or compares times that have lost their monotonic clock, as those do that
// went through a number. (time.Time from time.Now keeps its monotonic clock, and
// time.Since and Sub use it.)
func TestNothingIsDecidedByTheWallClock(t *testing.T) {
	const root = "../../.."
	used := make(map[string]bool)
	for _, dir := range []string{"client", "handler", "supervisor", "cmd", "internal"} {
		expect.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(filepath.ToSlash(path), root+"/")
			for _, decl := range file.Decls {
				f, isFunc := decl.(*ast.FuncDecl)
				if !isFunc {
					continue
				}
				where := name + " " + f.Name.Name
				for _, at := range wallClockUses(f) {
					used[where] = true
					if wallClocks[where] == "" {
						t.Errorf("%s: %s computes with the wall clock; keep the time.Time, or list it with its reason",
							files.Position(at), f.Name.Name)
					}
				}
			}
			return nil
		}))
	}
	for where := range wallClocks {
		if !used[where] {
			t.Errorf("%s is listed, but computes with no wall clock", where)
		}
	}
}

// wallClockUses returns the places in a function that compute with wall clocks.
func wallClockUses(f *ast.FuncDecl) []token.Pos {
	var out []token.Pos
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			switch n.Op {
			case token.ADD, token.SUB, token.LSS, token.GTR, token.LEQ, token.GEQ:
				if isNumber(n.X) || isNumber(n.Y) {
					out = append(out, n.Pos())
				}
			}
		case *ast.CallExpr:
			s, isSelector := n.Fun.(*ast.SelectorExpr)
			if !isSelector {
				return true
			}
			if isFromNumber(s, n.Args) {
				out = append(out, n.Pos())
			}
		}
		return true
	})
	return out
}

// isNumber reports whether an expression is a wall clock as a number: x.UnixNano() and
// the like.
func isNumber(e ast.Expr) bool {
	call, ok := unparen(e).(*ast.CallExpr)
	if !ok || len(call.Args) != 0 {
		return false
	}
	s, ok := call.Fun.(*ast.SelectorExpr)
	return ok && (strings.HasPrefix(s.Sel.Name, "Unix") || strings.HasSuffix(s.Sel.Name, "UnixNano"))
}

// isFromNumber reports whether a call makes a time of a number that is no constant:
// time.Unix(…) and the like.
func isFromNumber(s *ast.SelectorExpr, args []ast.Expr) bool {
	pkg, ok := s.X.(*ast.Ident)
	if !ok || pkg.Name != "time" || !strings.HasPrefix(s.Sel.Name, "Unix") {
		return false
	}
	for _, arg := range args {
		if _, constant := arg.(*ast.BasicLit); !constant {
			return true
		}
	}
	return false
}

func unparen(e ast.Expr) ast.Expr {
	for {
		p, ok := e.(*ast.ParenExpr)
		if !ok {
			return e
		}
		e = p.X
	}
}
