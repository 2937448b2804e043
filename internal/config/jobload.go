package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
)

// JobLoad is a load as a job gives it to an agent: what a client writes, for how long, and how it
// looks at its consumers, and nothing of where it connects, who it is, or what it may use.
type JobLoad struct {
	// Settings are those of a client; what is no part of a load has its default.
	Settings Client
	// Text is the load in YAML: the keys that were set, and no others. It goes to an agent, which
	// reads it with ParseJobLoad; bulkhead client --config takes it, too.
	Text []byte
}

// maxLoad is how long a load is at most as text, in bytes.
const maxLoad = 256 << 10

// loadSections lists the keys and sections of a client, besides those of its consumers, that
// describe a load: what may come down to an agent from a job. A new key of a client is none before
// it is here.
func loadSections() []string {
	return []string{"runtime", "total_size", "stop_when", "ramp", "warmup", "stages", "consumer_count", "consumers",
		"keep", "stall_after", "heartbeat", "monitor", "progress"}
}

// loadFields declares the keys of a client that describe a load.
func loadFields(c *Client) []field {
	_, fields := partFields(c)
	return fields
}

// partFields declares the keys of a client: those that describe no load, and those that do.
func partFields(c *Client) (others, load []field) {
	parts := append(loadSections(), children("", new(Consumer).fields())...)
	for _, f := range c.fields() {
		section, _, _ := strings.Cut(f.Name, ".")
		if slices.Contains(parts, section) {
			load = append(load, f)
		} else {
			others = append(others, f)
		}
	}
	return others, load
}

// ParseJobLoad reads a load that came from elsewhere, as strictly as a file; where is what problems
// call it. The error is of type Problems.
func ParseJobLoad(where string, text []byte) (JobLoad, error) {
	l := newLoader(where)
	var load JobLoad
	if len(text) > maxLoad {
		l.problem(origin{source: fromFile, name: l.file}, "", tooLong(len(text)))
	} else if root, ok := l.root(text); ok {
		r := newLoadReader(l)
		if root != nil {
			r.read(entry{line: root.Line, node: root})
		}
		load = r.load(entry{})
	}
	if len(l.problems) > 0 {
		return JobLoad{}, l.refusal()
	}
	return load, nil
}

func tooLong(n int) string {
	return fmt.Sprintf("is a load of %d bytes; use at most %s", n, value.Size(maxLoad))
}

// loadReader reads a load, and others over it.
type loadReader struct {
	l      *loader
	client Client
}

// newLoadReader returns the reader of a load of which nothing is set.
func newLoadReader(parent *loader) *loadReader {
	r := &loadReader{l: newLoader(parent.path)}
	r.l.parent, r.l.nodes = parent, make(map[string]*yaml.Node)
	r.l.other = "client's own file"
	for _, f := range r.client.fields() {
		f.reset()
	}
	r.l.others, _ = partFields(&r.client)
	return r
}

// over returns a reader of what is set over the load of r.
func (r *loadReader) over() *loadReader {
	l := *r.l
	l.origins, l.broken, l.nodes = maps.Clone(l.origins), maps.Clone(l.broken), maps.Clone(l.nodes)
	return &loadReader{l: &l, client: r.client}
}

// read reads the keys of a load.
func (r *loadReader) read(e entry) {
	r.l.under = e.path
	if e.node != nil {
		r.l.section(entry{line: e.line, node: e.node}, "", loadFields(&r.client))
	}
}

// load returns what was read, with e the last of it; it is empty if there are problems.
func (r *loadReader) load(e entry) JobLoad {
	r.l.under = e.path
	r.client.check(r.l)
	r.checkPaths(r.l.at(e))
	if r.l.found() > 0 {
		return JobLoad{}
	}
	text := r.text()
	if len(text) > maxLoad {
		r.l.report(r.l.at(e), "", tooLong(len(text)))
	}
	return JobLoad{Settings: r.client, Text: text}
}

// checkPaths reports folders that depend on where an agent was started, and that there is none; at
// is the whole load.
func (r *loadReader) checkPaths(at origin) {
	for i, consumer := range r.client.Consumers() {
		p := pairs{loader: r.l, consumer: i}
		key := p.key("path")
		if filepath.IsAbs(consumer.Path) || r.l.broken[key] {
			continue
		}
		r.l.broken[key] = true // once is enough
		if given := r.l.origins[key]; given.source != fromDefault {
			r.l.report(given, key, fmt.Sprintf("%s does not begin with a slash; use a whole path, as in "+
				"/mnt/under-test: nobody knows in which folder an agent is", value.Quote(consumer.Path)))
			continue
		}
		r.l.report(at, key, "is missing; give the folder under test, as in /mnt/under-test")
	}
}

// text returns what is set, in the order of the keys.
func (r *loadReader) text() []byte {
	top := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range loadFields(&r.client) {
		if n := r.l.nodes[f.Name]; n != nil && !null(n) {
			put(top, strings.Split(f.Name, "."), n)
		}
	}
	text, err := yaml.Marshal(top)
	if err != nil {
		panic(err) // nodes of maps, lists and texts
	}
	return text
}

// put adds a value to a map of maps, behind what is there.
func put(top *yaml.Node, path []string, n *yaml.Node) {
	if len(path) == 1 {
		top.Content = append(top.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}, bare(n))
		return
	}
	if last := len(top.Content); last == 0 || top.Content[last-2].Value != path[0] {
		top.Content = append(top.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]},
			&yaml.Node{Kind: yaml.MappingNode})
	}
	put(top.Content[len(top.Content)-1], path[1:], n)
}

// bare returns a value without how it was written: comments, quotes and anchors.
func bare(n *yaml.Node) *yaml.Node {
	b := &yaml.Node{Kind: n.Kind}
	switch {
	case null(n):
		b.Tag = n.Tag
	case n.Kind == yaml.ScalarNode:
		b.SetString(n.Value)
	}
	for _, child := range n.Content {
		b.Content = append(b.Content, bare(child))
	}
	return b
}
