package config

import (
	"cmp"

	"bulkhead/internal/config/value"
	"bulkhead/internal/protocol"
)

// labelsField declares the labels: a map in YAML, and "rack=3,disk=nvme" in an
// environment variable or a flag, which replaces all labels of the file.
func (c *Client) labelsField() field {
	return field{
		Key: Key{
			Name: "labels", Kind: "map", Valid: value.ValidLabels(),
			Help: "Labels of this client in the report.",
		},
		reset: func() { c.Labels = nil },
		set: func(text string) error {
			labels, err := value.ParseLabels(text)
			if err == nil {
				c.Labels = labels
			}
			return err
		},
		node: c.readLabels,
	}
}

// readLabels reads the map of a file.
func (c *Client) readLabels(l *loader, e entry) {
	labels := make(map[string]string)
	l.pairs(e, "a map of labels"+cmp.Or(labelsHint(e.node), ", as in {rack: a3}"), func(name string, item entry) {
		text, ok := l.text(item, "text")
		if !ok {
			return
		}
		if err := protocol.CheckLabel(name, text); err != nil {
			l.problem(l.at(item), item.path, err.Error())
			return
		}
		labels[name] = text
	})
	if err := protocol.CheckLabelCount(len(labels)); err != nil {
		l.problem(l.at(e), e.path, err.Error())
		return
	}
	if len(labels) > 0 {
		c.Labels = labels
	}
}
