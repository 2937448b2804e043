package words

import (
	"fmt"

	"bulkhead/supervisor/report"
)

// Missing names those that were not ready when a gather ended, and how far each was.
func Missing(list []report.GatherMissing) string {
	var names []string
	for _, m := range list {
		who := m.Name
		if who == "" {
			who = Plural(uint64(m.Clients), "more client")
		}
		names = append(names, fmt.Sprintf("%s (%s)", who, missingState(m.State)))
	}
	return NameSome(names)
}

func missingState(state string) string {
	switch state {
	case report.GatherMissingNotReady:
		return "connected, not ready"
	case report.GatherMissingGone:
		return "ready, and gone"
	default:
		return "not connected"
	}
}
