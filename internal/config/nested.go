package config

import (
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// nestedHint is how a section is written of which a file gives only the value of one
// key, in the form ", as in {listen: 127.0.0.1:80}". It is empty if the value could be
// that of several keys, or of none.
func nestedHint(n *yaml.Node, section string, fields []field) string {
	if n.Kind != yaml.ScalarNode || null(n) || section == "" {
		return ""
	}
	var key string
	for _, f := range fields {
		name, inside := strings.CutPrefix(f.Name, section+".")
		if !inside || !f.takes(n.Value) {
			continue
		}
		if key != "" {
			return ""
		}
		key = name
	}
	if key == "" {
		return ""
	}
	names := strings.Split(key, ".")
	return asIn(strings.Join(names, ": {")+": "+n.Value+strings.Repeat("}", len(names)-1), n.Value)
}

// takes reports whether a text is valid for a key, whose value stays as it is.
func (f field) takes(text string) bool {
	if f.set == nil || f.place == nil {
		return false
	}
	value := reflect.ValueOf(f.place).Elem()
	before := reflect.New(value.Type()).Elem()
	before.Set(value)
	defer value.Set(before)
	return f.set(text) == nil
}

// labelsHint is nestedHint for labels that a file gives as a flag would.
func labelsHint(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		return ""
	}
	if _, err := parseLabels(n.Value); err != nil {
		return ""
	}
	var pairs, values []string
	for pair := range strings.SplitSeq(n.Value, ",") {
		name, value, _ := strings.Cut(pair, "=")
		pairs, values = append(pairs, name+": "+value), append(values, name, value)
	}
	return asIn(strings.Join(pairs, ", "), values...)
}

// asIn is a map on one line as an example, if it is short, can be printed, and YAML reads
// the texts from it, as it does not where one of them needs quotes.
func asIn(pairs string, texts ...string) string {
	if len(pairs) > maxQuoted || strings.ContainsFunc(pairs, unprintable) {
		return ""
	}
	root, err := parse([]byte("{" + pairs + "}"))
	if err != nil || root == nil {
		return ""
	}
	read := scalars(root)
	for i, text := range texts {
		if at := len(read) - len(texts) + i; at < 0 || read[at] != text {
			return ""
		}
	}
	return ", as in {" + pairs + "}"
}

// scalars lists the texts below a node in their order.
func scalars(n *yaml.Node) []string {
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	var texts []string
	for _, child := range n.Content {
		texts = append(texts, scalars(child)...)
	}
	return texts
}
