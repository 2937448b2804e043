package config

import (
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
)

// nestedHint returns how a section is written of which a file gives only the value of one key,
// in the form ", as in {listen: 127.0.0.1:80}". It is empty if the value could be that of
// several keys, or of none. What has no slash is taken for no path, though it could be one.
func nestedHint(n *yaml.Node, section string, fields []field) string {
	if n.Kind != yaml.ScalarNode || null(n) || section == "" {
		return ""
	}
	var keys []string
	for _, f := range fields {
		name, inside := strings.CutPrefix(f.Name, section+".")
		isPath := strings.HasPrefix(f.Valid, "a path")
		if inside && f.takes(n.Value) && (!isPath || strings.Contains(n.Value, "/")) {
			keys = append(keys, name)
		}
	}
	if len(keys) != 1 {
		return ""
	}
	names := strings.Split(keys[0], ".")
	return asIn(strings.Join(names, ": {")+": "+n.Value+strings.Repeat("}", len(names)-1), n.Value)
}

// takes reports whether a text is valid for a key, whose value stays as it is.
func (f field) takes(text string) bool {
	if f.set == nil || f.place == nil {
		return false
	}
	place := reflect.ValueOf(f.place).Elem()
	before := reflect.New(place.Type()).Elem()
	before.Set(place)
	defer place.Set(before)
	return f.set(text) == nil
}

// labelsHint does what nestedHint does, for labels that a file gives as a flag would.
func labelsHint(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		return ""
	}
	if _, err := value.ParseLabels(n.Value); err != nil {
		return ""
	}
	var pairs, values []string
	for pair := range strings.SplitSeq(n.Value, ",") {
		name, text, _ := strings.Cut(pair, "=")
		pairs, values = append(pairs, name+": "+text), append(values, name, text)
	}
	return asIn(strings.Join(pairs, ", "), values...)
}

// asIn returns a map on one line as an example, if it is short, can be printed, and YAML reads
// the texts from it, as it does not where one of them needs quotes.
func asIn(pairs string, texts ...string) string {
	if len(pairs) > value.MaxQuoted || strings.ContainsFunc(pairs, value.Unprintable) {
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
