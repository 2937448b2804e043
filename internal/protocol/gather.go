package protocol

import (
	"fmt"

	"bulkhead/internal/plural"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// MissingWords returns who a gather waits for and how far each is, of so many at most: "b (not
// connected)".
func MissingWords(list []*bulkheadv1.GatherMissing, most int) []string {
	var words []string
	for i, m := range list {
		if i == most {
			return append(words, fmt.Sprintf("%d more", len(list)-i))
		}
		who := m.GetName()
		if who == "" {
			who = plural.Of(uint64(max(m.GetClients(), 1)), "more client")
		}
		words = append(words, fmt.Sprintf("%s (%s)", who, GatherWord(m.GetState())))
	}
	return words
}

// GatherWord returns how far a client is that is waited for, in words.
func GatherWord(s bulkheadv1.GatherState) string {
	switch s {
	case bulkheadv1.GatherState_GATHER_STATE_NOT_READY:
		return "connected, not ready"
	case bulkheadv1.GatherState_GATHER_STATE_GONE:
		return "ready, and gone"
	default:
		return "not connected"
	}
}
