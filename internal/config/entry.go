package config

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
)

// entry is a YAML value and where it stands.
type entry struct {
	// path is "" for the whole file, else as in "consumers[3].chunk_size".
	path string
	// line is that of the key, or of the value itself in a list.
	line int
	node *yaml.Node
}

// at returns the origin of a value of the file.
func (l *loader) at(e entry) origin {
	return origin{source: fromFile, name: l.file, line: e.line, under: l.under}
}

// pairs visits the keys of a map in their order and reports those that are not
// plain text or appear twice. A key without a value is an empty map.
func (l *loader) pairs(e entry, want string, visit func(name string, value entry)) {
	if !l.kind(e, yaml.MappingNode, want) {
		return
	}
	first := make(map[string]int)
	for i := 0; i+1 < len(e.node.Content) && !l.givesUp(); i += 2 {
		key, node := e.node.Content[i], e.node.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.Value == "" {
			l.problem(l.at(entry{line: key.Line}), e.path, "a key is "+kindName(key)+"; write a name")
			continue
		}
		child := entry{line: key.Line, node: node, path: join(e.path, key.Value)}
		if line, twice := first[key.Value]; twice {
			l.problem(l.at(child), child.path, fmt.Sprintf("appears twice, first on line %d; keep one", line))
			continue
		}
		first[key.Value] = key.Line
		visit(key.Value, child)
	}
}

// items visits the values of a list. A key without a value is an empty list.
func (l *loader) items(e entry, want string, visit func(item entry)) {
	if !l.kind(e, yaml.SequenceNode, want) {
		return
	}
	for i, node := range e.node.Content {
		if l.givesUp() {
			return
		}
		visit(entry{path: fmt.Sprintf("%s[%d]", e.path, i), line: node.Line, node: node})
	}
}

// text returns the text of a plain or quoted value, or reports that it is none.
func (l *loader) text(e entry, want string) (string, bool) {
	if !l.kind(e, yaml.ScalarNode, "one value: "+want) {
		return "", false
	}
	if null(e.node) {
		l.problem(l.at(e), e.path, "has no value; give one ("+want+"), or remove the line")
		return "", false
	}
	return e.node.Value, true
}

// kind reports a value that is not what it must be. No value at all passes for a
// map and a list, both then without content, so that all their lines can be
// commented out.
func (l *loader) kind(e entry, kind yaml.Kind, want string) bool {
	switch n := e.node; {
	case n.Kind == yaml.AliasNode:
		l.problem(l.at(e), e.path, "is a YAML alias; write the value itself")
	case n.Style&yaml.TaggedStyle != 0:
		l.problem(l.at(e), e.path, "has the YAML tag "+value.Quote(n.Tag)+"; write the value without it")
	case n.Kind == kind || null(n):
		return true
	default:
		l.problem(l.at(e), e.path, "is "+kindName(n)+"; it must be "+want)
	}
	return false
}

// null reports whether a key has no value.
func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "a YAML alias"
	}
	if n.Value == "" {
		return "empty"
	}
	return "a single value"
}
