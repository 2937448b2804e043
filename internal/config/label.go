package config

import (
	"cmp"
	"fmt"
	"strings"

	"bulkhead/internal/protocol"
)

// Bounds of labels, as the protocol states them.
const (
	maxLabels     = protocol.MaxLabels
	maxLabelBytes = protocol.MaxLabelBytes
)

// labelsField declares the labels: a map in YAML, and "rack=3,disk=nvme" in an
// environment variable or a flag, which replaces all labels of the file.
func (c *Client) labelsField() field {
	return field{
		Key: Key{
			Name: "labels", Kind: "map", Valid: "at most 32, names and values at most 128 bytes each",
			Help: "Labels of this client in the report.",
		},
		reset: func() { c.Labels = nil },
		set: func(text string) error {
			labels, err := parseLabels(text)
			if err == nil {
				c.Labels = labels
			}
			return err
		},
		node: c.readLabels,
	}
}

// parseLabels reads labels that are written on one line.
func parseLabels(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	labels := make(map[string]string)
	for pair := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%s is not a label; use name=value, and commas between labels", quote(pair))
		}
		if _, twice := labels[name]; twice {
			return nil, fmt.Errorf("label %s is given twice; keep one", quote(name))
		}
		if err := checkLabel(name, value); err != nil {
			return nil, err
		}
		labels[name] = value
	}
	return labels, checkLabelCount(len(labels))
}

func checkLabel(name, value string) error {
	if err := checkText(1, maxLabelBytes)(name); err != nil {
		return fmt.Errorf("label name %s %w", quote(name), err)
	}
	if err := checkText(0, maxLabelBytes)(value); err != nil {
		return fmt.Errorf("label value %s %w", quote(value), err)
	}
	return nil
}

func checkLabelCount(n int) error {
	if n > maxLabels {
		return fmt.Errorf("has %d labels; use at most %d", n, maxLabels)
	}
	return nil
}

// readLabels reads the map of a file.
func (c *Client) readLabels(l *loader, e entry) {
	labels := make(map[string]string)
	l.pairs(e, "a map of labels"+cmp.Or(labelsHint(e.node), ", as in {rack: a3}"), func(name string, value entry) {
		text, ok := l.text(value, "text")
		if !ok {
			return
		}
		if err := checkLabel(name, text); err != nil {
			l.problem(l.at(value), value.path, err.Error())
			return
		}
		labels[name] = text
	})
	if err := checkLabelCount(len(labels)); err != nil {
		l.problem(l.at(e), e.path, err.Error())
		return
	}
	if len(labels) > 0 {
		c.Labels = labels
	}
}
