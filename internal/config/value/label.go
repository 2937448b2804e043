package value

import (
	"fmt"
	"strings"

	"bulkhead/internal/protocol"
)

// ValidLabels returns what labels can be, in words.
func ValidLabels() string {
	return fmt.Sprintf("at most %d, names and values at most %d bytes each", protocol.MaxLabels,
		protocol.MaxLabelBytes)
}

// ParseLabels reads labels that are written on one line.
func ParseLabels(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	labels := make(map[string]string)
	for pair := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%s is not a label; use name=value, and commas between labels", Quote(pair))
		}
		if _, twice := labels[name]; twice {
			return nil, fmt.Errorf("label %s is given twice; keep one", Quote(name))
		}
		if err := protocol.CheckLabel(name, value); err != nil {
			return nil, err
		}
		labels[name] = value
	}
	return labels, protocol.CheckLabelCount(len(labels))
}
