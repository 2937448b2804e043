package render

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/js"
)

// browsers are the names that modules may use without importing them: those of the language,
// those of browsers, and the library's.
var browsers = []string{
	"Array", "Boolean", "Date", "Float64Array", "Infinity", "JSON", "Map", "Math", "Number", "Object", "Set", "String",
	"undefined",
	"ResizeObserver", "addEventListener", "devicePixelRatio", "document", "getComputedStyle", "innerHeight",
	"innerWidth", "matchMedia",
	"uPlot",
}

// Every module says what it needs of others and what others need of it: no more, and no less.
func TestPageModulesAreExplicit(t *testing.T) {
	var used []string
	imported := make(map[string][]string) // names by the module that exports them
	modules := modulesOf(t)
	for _, m := range modules {
		for _, i := range m.imports {
			imported[i.from] = append(imported[i.from], i.names...)
		}
	}
	for name, m := range modules {
		text, err := fs.ReadFile(assets, "page/"+name)
		if err != nil {
			t.Fatal(err)
		}
		free, exports := spoken(t, name, string(text))
		if diff := cmp.Diff(slices.Sorted(slices.Values(exports)),
			slices.Sorted(slices.Values(m.exports))); diff != "" {
			t.Errorf("page/%s: what a parser finds exported (-) and the bundle exports (+) differ:\n%s", name, diff)
		}
		for _, i := range m.imports {
			for _, word := range i.names {
				if !slices.Contains(free, word) {
					t.Errorf("page/%s:%d: %s is imported and not used", name, i.line, word)
				}
				free = slices.DeleteFunc(free, func(is string) bool { return is == word })
			}
		}
		for _, word := range free {
			if !slices.Contains(browsers, word) {
				t.Errorf("page/%s: %s is used and neither declared there nor imported", name, word)
			}
			used = append(used, word)
		}
		for _, word := range m.exports {
			if !slices.Contains(imported[name], word) {
				t.Errorf("page/%s: %s is exported, and nobody imports it", name, word)
			}
		}
	}
	for _, word := range browsers {
		if !slices.Contains(used, word) {
			t.Errorf("%s may be used without an import, and is not used", word)
		}
	}
}

// Every file is part of a page, and a page takes nothing of the other's but what both share.
func TestPagesTakeEveryModule(t *testing.T) {
	taken := make(map[string]bool)
	for _, entry := range []string{reportEntry, CompareEntry} {
		b := &bundler{files: assets, known: make(map[string]*module)}
		if err := b.add(entry, nil); err != nil {
			t.Fatal(err)
		}
		for _, m := range b.ordered {
			taken[m.name] = true
			if entry == CompareEntry && m.name == "script/model.js" ||
				entry == reportEntry && strings.HasPrefix(m.name, "compare/") {
				t.Errorf("%s comes to import %s, which reads the data of another page", entry, m.name)
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(modulesOf(t))), slices.Sorted(maps.Keys(taken))); diff != "" {
		t.Errorf("the files (-) and what pages import (+) differ:\n%s", diff)
	}
}

// The script that a page gets is whole, declares nothing for other scripts to see, and needs
// nothing but the browser and the library.
func TestBundlesStandAlone(t *testing.T) {
	for _, entry := range []string{reportEntry, CompareEntry} {
		script, err := bundle(assets, entry)
		if err != nil {
			t.Fatal(err)
		}
		ast, err := js.Parse(parse.NewInputString(script), js.Options{})
		if err != nil {
			t.Fatalf("the bundle of %s: %v", entry, err)
		}
		for _, v := range ast.Scope.Declared {
			t.Errorf("the bundle of %s declares %s", entry, v.Name())
		}
		for _, v := range ast.Scope.Undeclared {
			if !slices.Contains(browsers, string(v.Name())) {
				t.Errorf("the bundle of %s uses %s, which nobody declares", entry, v.Name())
			}
		}
	}
}

func TestBundleOrdersByImports(t *testing.T) {
	files := pageFiles(map[string]string{
		"a.js":   "// Last.\nimport { b } from \"./x/b.js\";\nimport { c, D, e } from \"./c.js\";\n\nb(c, D, e);\n",
		"c.js":   "export const c = 1;\nexport class D {}\nexport async function e() { return c; }\n",
		"x/b.js": "import { c } from \"../c.js\";\nconst own = c;\nexport function b() { return own; }\n",
	})
	const want = `(function () {
"use strict";
const $c = (function () {
const c = 1;
class D {}
async function e() { return c; }
return { c, D, e };
})();
const $x$b = (function () {
const { c } = $c;
const own = c;
function b() { return own; }
return { b };
})();
(function () {
const { b } = $x$b;
const { c, D, e } = $c;
b(c, D, e);
})();
})();
`
	got, err := bundle(files, "a.js")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBundleRefuses(t *testing.T) {
	const exports = "export const b = 1;\nexport const c = 2;\n"
	for name, of := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a circle": {
			map[string]string{"a.js": `import { b } from "./b.js";`,
				"b.js": "import { c } from \"./c.js\";\nexport const b = c;",
				"c.js": "import { b } from \"./b.js\";\nexport const c = b;"},
			"in a circle: b.js imports c.js imports b.js; move",
		},
		"itself": {map[string]string{"a.js": `import { a } from "./a.js";`},
			"in a circle: a.js imports a.js"},
		"a file that is not": {map[string]string{"a.js": "\n// A.\nimport { b } from \"./b.js\";"},
			"page/a.js:3: importing from page/b.js: "},
		"an entry that is not": {map[string]string{}, "page/a.js: file does not exist"},
		"a name that is not": {map[string]string{"a.js": "// A.\nimport { b, d } from \"./b.js\";",
			"b.js": exports}, "page/a.js:2: d is imported from b.js, which exports b, c"},
		"of what exports nothing": {map[string]string{"a.js": `import { b } from "./b.js";`, "b.js": "const b = 1;"},
			"page/a.js:1: b is imported from b.js, which exports nothing"},
		"a name twice": {map[string]string{
			"a.js": "import { b, c } from \"./b.js\";\nimport { b } from \"./b.js\";", "b.js": exports},
			"page/a.js:2: b is imported or exported in line 1 already"},
		"late": {map[string]string{"a.js": "b();\nimport { b } from \"./b.js\";", "b.js": exports},
			`page/a.js:2: "import { b } from \"./b.js\";" cannot be joined; allowed are import {`},
		"renamed": {map[string]string{"a.js": `import { b as d } from "./b.js";`, "b.js": exports},
			`page/a.js:1: "import { b as d }`},
		"all": {map[string]string{"a.js": `import * as b from "./b.js";`, "b.js": exports},
			"page/a.js:1: "},
		"a default": {map[string]string{"a.js": `import b from "./b.js";`, "b.js": exports},
			"page/a.js:1: "},
		"no name":   {map[string]string{"a.js": `import "./b.js";`, "b.js": exports}, "page/a.js:1: "},
		"a package": {map[string]string{"a.js": `import { b } from "b";`}, "page/a.js:1: "},
		"of an address": {map[string]string{"a.js": `import { b } from "https://example.com/b.js";`},
			"page/a.js:1: "},
		"when it runs": {map[string]string{"a.js": "\nconst b = await import(\"./b.js\");"},
			"page/a.js:2: "},
		"of many lines": {map[string]string{"a.js": "import {\n  b,\n} from \"./b.js\";", "b.js": exports},
			"page/a.js:1: "},
		"an exported variable": {map[string]string{"a.js": "// A.\nexport let b = 1;"},
			`page/a.js:2: "export let b = 1;" cannot be joined`},
		"an exported default":  {map[string]string{"a.js": "export default function b() {}"}, "page/a.js:1: "},
		"an exported list":     {map[string]string{"a.js": "const b = 1;\nexport { b };"}, "page/a.js:2: "},
		"exported parts":       {map[string]string{"a.js": "export const { b } = {};"}, "page/a.js:1: "},
		"a text of many lines": {map[string]string{"a.js": "const b = `c\n// d`;"}, "page/a.js:1: "},
		"indented":             {map[string]string{"a.js": "  export const b = 1;"}, "page/a.js:1: "},
	} {
		script, err := bundle(pageFiles(of.files), "a.js")
		if err == nil || !strings.Contains(err.Error(), of.want) {
			t.Errorf("%s: the error is %v, want %q in it; the script:\n%s", name, err, of.want, script)
		}
	}
}

func pageFiles(texts map[string]string) fs.FS {
	files := fstest.MapFS{}
	for name, text := range texts {
		files["page/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// modulesOf reads every module there is.
func modulesOf(t *testing.T) map[string]*module {
	t.Helper()
	modules := make(map[string]*module)
	for _, folder := range []string{"script", "compare"} {
		names, err := fs.Glob(assets, "page/"+folder+"/*.js")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range names {
			text, err := fs.ReadFile(assets, path)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimPrefix(path, "page/")
			if modules[name], err = parseModule(name, string(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return modules
}

// spoken returns the names that a module uses and does not declare, imported or not, and
// those it exports, as a parser of the whole language finds them.
func spoken(t *testing.T, name, text string) (free, exports []string) {
	t.Helper()
	ast, err := js.Parse(parse.NewInputString(text), js.Options{})
	if err != nil {
		t.Fatalf("page/%s: %v", name, err)
	}
	for _, v := range ast.Scope.Undeclared {
		free = append(free, string(v.Name()))
	}
	for _, statement := range ast.List {
		export, ok := statement.(*js.ExportStmt)
		if !ok {
			continue
		}
		for _, alias := range export.List {
			exports = append(exports, string(alias.Binding))
		}
		switch of := export.Decl.(type) {
		case *js.VarDecl:
			for _, element := range of.List {
				if v, ok := element.Binding.(*js.Var); ok {
					exports = append(exports, string(v.Name()))
				}
			}
		case *js.FuncDecl:
			exports = append(exports, string(of.Name.Name()))
		case *js.ClassDecl:
			exports = append(exports, string(of.Name.Name()))
		}
	}
	return free, exports
}
