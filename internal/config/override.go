package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"bulkhead/internal/config/value"
	"bulkhead/internal/protocol"
)

// ConsumerOverride is how one consumer differs from the others.
type ConsumerOverride struct {
	// Keys are the names of the keys that its entry sets, as in "rate.bytes".
	Keys []string
	// Values has their values; the rest of it is defaults.
	Values Consumer
}

// over returns base with what o sets.
func (o ConsumerOverride) over(base Consumer) Consumer {
	if len(o.Keys) == 0 {
		return base
	}
	own := o.Values.fields()
	for i, f := range base.fields() {
		if slices.Contains(o.Keys, f.Name) {
			f.copy(own[i])
		}
	}
	return base
}

// overridesField declares the list of entries for single consumers.
func (c *Client) overridesField() field {
	return field{
		Key: Key{
			Name: "consumers", Kind: "list",
			Valid: "at most consumer_count entries of " + strings.Join(children("", new(Consumer).fields()), ", "),
			Help:  "Settings of single consumers, from the first on, over the keys above.",
		},
		reset: func() { c.Overrides = nil },
		node:  c.readOverrides,
	}
}

func (c *Client) readOverrides(l *loader, e entry) {
	c.Overrides = nil // those of a load that this one is over
	maps.DeleteFunc(l.origins, func(key string, _ origin) bool { return strings.HasPrefix(key, e.path+"[") })
	if n, err := value.ParseCount(e.node.Value); err == nil && e.node.Kind == yaml.ScalarNode {
		l.problem(l.at(e), e.path, fmt.Sprintf("is a number; it must be a list of maps, as in [{chunk_size: 4MiB}]; "+
			"for %d consumers, use consumer_count: %d", n, n))
		return
	}
	if n := len(e.node.Content); n > protocol.MaxConsumers {
		l.problem(l.at(e), e.path, fmt.Sprintf("has %d entries; use at most %d", n, protocol.MaxConsumers))
		return
	}
	l.items(e, "a list of maps, as in [{chunk_size: 4MiB}]", func(item entry) {
		c.Overrides = append(c.Overrides, readOverride(l, item))
	})
}

// readOverride reads the settings of one consumer.
func readOverride(l *loader, e entry) ConsumerOverride {
	var o ConsumerOverride
	fields := o.Values.fields()
	for _, f := range fields {
		f.reset()
	}
	l.section(e, "", fields)
	var read ConsumerOverride
	for i, f := range read.Values.fields() {
		f.copy(fields[i])
		if l.origins[join(e.path, f.Name)].source != fromDefault {
			read.Keys = append(read.Keys, f.Name)
		}
	}
	return read
}

// checkOverrides reports more entries than consumers.
func (c *Client) checkOverrides(l *loader) {
	if len(c.Overrides) <= c.ConsumerCount || l.broken["consumer_count"] {
		return
	}
	l.problem(l.origins["consumers"], "consumers", fmt.Sprintf(
		"has %d entries, but consumer_count is %d (%s); raise consumer_count, or remove entries",
		len(c.Overrides), c.ConsumerCount, l.origins["consumer_count"]))
}
