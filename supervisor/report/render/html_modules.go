package render

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A module is one file of a page's program: an ECMAScript module of which the page, one
// script that needs nothing else, is made by joining. Only so much of the syntax is allowed
// as can be joined line by line:
//
//	import { one, two } from "./file.js";
//	export function name(
//	export class Name {
//	export const name =
//
// each at the beginning of a line, an import alone in it and before all code. Anything else
// with either word is refused, with its file and line. Names are imported as they are called,
// and what is imported never changes, so there is no export of let. Lines that are comments
// stay out of the page, and so no text may be of several lines.
type module struct {
	name    string // its path below page/
	imports []moduleImport
	exports []string
	body    string // without imports, and without the word export
}

type moduleImport struct {
	line  int
	from  string // the path of a module
	names []string
}

var (
	importForm  = regexp.MustCompile(`^import \{ (\w+(?:, \w+)*) \} from "((?:\./|(?:\.\./)+)(?:\w+/)*\w+\.js)";$`)
	exportForm  = regexp.MustCompile(`^export (?:(?:async )?function|class|const) (\w+)\b`)
	moduleWord  = regexp.MustCompile(`^\s*(?:import|export)\b`)
	dynamicForm = regexp.MustCompile(`\bimport\s*[(.]`)
)

const (
	importsAllowed = `import { name, name } from "./file.js";`
	exportsAllowed = `export function, export class or export const, each of one name`
)

// bundle joins the module that is called entry, below page/ in files, and all that it
// imports to one script. Each module is a function of its own, so that nothing of it is
// known to another that did not import it, and comes after those that it imports, whatever
// its name. An error says file and line.
func bundle(files fs.FS, entry string) (string, error) {
	b := &bundler{files: files, known: make(map[string]*module)}
	if err := b.add(entry, nil); err != nil {
		return "", err
	}
	var script strings.Builder
	script.WriteString("(function () {\n\"use strict\";\n")
	for _, m := range b.ordered {
		m.write(&script)
	}
	script.WriteString("})();\n")
	return script.String(), nil
}

// bundler collects modules.
type bundler struct {
	files   fs.FS
	known   map[string]*module // nil while those that it imports are added
	ordered []*module          // each after those that it imports
}

// add adds the module of that name and those that it imports. It was come to by the imports
// of those in from, one after the other.
func (b *bundler) add(name string, from []string) error {
	from = append(slices.Clone(from), name)
	if m, ok := b.known[name]; ok {
		if m == nil {
			return fmt.Errorf("modules import each other in a circle: %s; move what both need to a module of its own",
				strings.Join(from[slices.Index(from, name):], " imports "))
		}
		return nil
	}
	b.known[name] = nil
	text, err := fs.ReadFile(b.files, "page/"+name)
	if err != nil {
		return fmt.Errorf("reading a module of the page: %w", err)
	}
	m, err := parseModule(name, string(text))
	if err != nil {
		return err
	}
	for _, i := range m.imports {
		if _, err := fs.Stat(b.files, "page/"+i.from); err != nil {
			return fmt.Errorf("page/%s:%d: importing from page/%s: %w", name, i.line, i.from, err)
		}
		if err := b.add(i.from, from); err != nil {
			return err
		}
		for _, want := range i.names {
			if exports := b.known[i.from].exports; !slices.Contains(exports, want) {
				return fmt.Errorf("page/%s:%d: %s is imported from %s, which exports %s", name, i.line, want, i.from,
					orNothing(exports))
			}
		}
	}
	b.known[name] = m
	b.ordered = append(b.ordered, m)
	return nil
}

// parseModule reads a module's imports and exports.
func parseModule(name, text string) (*module, error) {
	m := &module{name: name}
	bound := make(map[string]int) // names that are imported or exported, by line
	bind := func(word string, line int) error {
		if before := bound[word]; before != 0 {
			return fmt.Errorf("page/%s:%d: %s is imported or exported in line %d already", name, line, word, before)
		}
		bound[word] = line
		return nil
	}
	var body []string
	code := false // imports are over
	for i, line := range strings.Split(text, "\n") {
		n := i + 1
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "//"):
			continue
		case strings.Count(line, "`")%2 != 0:
			return nil, fmt.Errorf(
				"page/%s:%d: %q begins or ends a text of several lines, which cannot be joined; put it in one line",
				name, n, line)
		case importForm.MatchString(line) && !code:
			parts := importForm.FindStringSubmatch(line)
			names := strings.Split(parts[1], ", ")
			for _, word := range names {
				if err := bind(word, n); err != nil {
					return nil, err
				}
			}
			m.imports = append(m.imports, moduleImport{line: n, from: path.Join(path.Dir(name), parts[2]),
				names: names})
			continue
		case exportForm.MatchString(line):
			word := exportForm.FindStringSubmatch(line)[1]
			if err := bind(word, n); err != nil {
				return nil, err
			}
			m.exports = append(m.exports, word)
			line, code = strings.TrimPrefix(line, "export "), true
		case moduleWord.MatchString(line) || dynamicForm.MatchString(line):
			return nil, fmt.Errorf("page/%s:%d: %q cannot be joined; allowed are %s before all code, and %s", name, n,
				line, importsAllowed, exportsAllowed)
		default:
			code = true
		}
		body = append(body, line)
	}
	m.body = strings.Join(body, "\n")
	return m, nil
}

// write writes the module as a function that returns its exports.
func (m *module) write(b *strings.Builder) {
	if len(m.exports) > 0 {
		fmt.Fprintf(b, "const %s = ", variable(m.name))
	}
	b.WriteString("(function () {\n")
	for _, i := range m.imports {
		fmt.Fprintf(b, "const { %s } = %s;\n", strings.Join(i.names, ", "), variable(i.from))
	}
	b.WriteString(m.body)
	if len(m.exports) > 0 {
		fmt.Fprintf(b, "\nreturn { %s };", strings.Join(m.exports, ", "))
	}
	b.WriteString("\n})();\n")
}

// variable returns what a module's exports are called in the page. The dollar keeps it apart from
// all names in modules.
func variable(name string) string {
	return "$" + strings.ReplaceAll(strings.TrimSuffix(name, ".js"), "/", "$")
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
