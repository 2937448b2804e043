package sandbox

import (
	"fmt"
	"strings"
)

// Missing is a layer that a handler does not have, and why not.
type Missing struct {
	Layer  Layer
	Reason string
}

func (m Missing) String() string { return m.Layer.String() + ": " + m.Reason }

// Key is the key of the metadata by which a handler says what it lacks: a value for each layer,
// and a first one that is Locked. One that says nothing has not locked itself.
const (
	Key    = "bulkhead-sandbox"
	Locked = "locked"
)

// Say returns the values for what a handler lacks.
func Say(missing []Missing) []string {
	said := []string{Locked}
	for _, m := range missing {
		said = append(said, m.String())
	}
	return said
}

// Heard is the reverse of Say. Of a handler that has said nothing all layers of the order are
// missing.
func (o Order) Heard(said []string) []Missing {
	if len(said) == 0 || said[0] != Locked {
		return o.without("the handler's program knows of no sandbox")
	}
	var missing []Missing
	for _, text := range said[1:] {
		name, reason, _ := strings.Cut(text, ": ")
		for _, w := range walls {
			if w.Name == name {
				missing = append(missing, Missing{w.Layer, reason})
			}
		}
	}
	return missing
}

// without returns every layer of the order as missing for one reason.
func (o Order) without(reason string) []Missing {
	var missing []Missing
	for _, w := range walls {
		if o.Layers.Has(w.Layer) {
			missing = append(missing, Missing{w.Layer, reason})
		}
	}
	return missing
}

// Words returns in words what is missing, each reason once: "landlock (kernel 5.10 has none)".
func Words(missing []Missing) string {
	var reasons []string
	names := make(map[string][]string)
	for _, m := range missing {
		if names[m.Reason] == nil {
			reasons = append(reasons, m.Reason)
		}
		names[m.Reason] = append(names[m.Reason], m.Layer.String())
	}
	var parts []string
	for _, r := range reasons {
		parts = append(parts, fmt.Sprintf("%s (%s)", strings.Join(names[r], ", "), r))
	}
	return strings.Join(parts, "; ")
}
