package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/spelling"
)

// section reads a map of keys. Names are looked up in fields behind prefix: ""
// at the top of a file and for an entry of a list, whose fields are named from
// the entry on.
func (l *loader) section(e entry, prefix string, fields []field) {
	names := children(prefix, fields)
	want := "a map of " + strings.Join(names, ", ") + nestedHint(e.node, prefix, fields)
	if e.path == "" {
		want = `keys with values, as in "runtime: 20s"`
	}
	l.pairs(e, want, func(name string, value entry) {
		full := join(prefix, name)
		if !slices.Contains(names, name) {
			l.problem(l.at(value), value.path, l.unknown(name, value, names, fields))
		} else if f, ok := find(fields, full); ok {
			l.value(f, value)
		} else {
			l.section(value, full, fields)
		}
	})
}

// value reads one value into its field.
func (l *loader) value(f field, e entry) {
	if l.nodes != nil {
		l.nodes[e.path] = e.node
	}
	if f.node != nil {
		l.origins[e.path] = l.at(e)
		f.node(l, e)
		return
	}
	if text, ok := l.text(e, f.Valid); ok {
		l.set(f, e.path, text, l.at(e))
	}
}

// children lists the names that can stand in a section, in the order of fields.
func children(section string, fields []field) []string {
	var names []string
	for _, f := range fields {
		rest, ok := f.Name, true
		if section != "" {
			rest, ok = strings.CutPrefix(f.Name, section+".")
		}
		name, _, _ := strings.Cut(rest, ".")
		if ok && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
	}
	return names
}

// unknown returns in words that a section has no such key, which it may have meant, and
// which it has.
func (l *loader) unknown(name string, value entry, names []string, fields []field) string {
	top := value.path == name
	text := "unknown key; "
	if top && value.node.Kind == yaml.MappingNode && name == l.process {
		text += "write the keys inside it at the top of the file; "
	} else if top && value.node.Kind == yaml.MappingNode && name == l.other {
		text += "a " + l.other + " has a file of its own; "
	} else if meant := spelling.Nearest(name, names); meant != "" {
		text += "did you mean " + meant + "? "
	} else if elsewhere := findElsewhere(name, fields); elsewhere != "" {
		section, key, _ := strings.Cut(elsewhere, ".")
		text += "did you mean " + key + " inside " + section + "? "
	} else if top && slices.Contains(children("", l.others), name) {
		text += "it is a key of a " + l.other + "; "
	}
	return text + "valid here: " + strings.Join(names, ", ")
}

// findElsewhere returns the key of another section that has the same last name, or
// that was written in one name with its section, as log_level is for log.level.
func findElsewhere(name string, fields []field) string {
	var nested []string
	for _, f := range fields {
		if !strings.Contains(f.Name, ".") {
			continue
		}
		if f.Name == name || strings.HasSuffix(f.Name, "."+name) {
			return f.Name
		}
		nested = append(nested, f.Name)
	}
	return spelling.Nearest(name, nested)
}

// join appends a name to a path.
func join(path, name string) string {
	switch {
	case path == "":
		return name
	case name == "":
		return path
	}
	return path + "." + name
}
