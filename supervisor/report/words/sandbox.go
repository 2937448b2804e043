package words

import (
	"strings"

	"bulkhead/supervisor/report"
)

// Sandbox says how handlers were locked in; "" where the run does not tell.
func Sandbox(s *report.Sandbox) string {
	if s == nil {
		return ""
	}
	text := s.State
	if len(s.Missing) > 0 {
		var order []string
		layers := make(map[string][]string)
		for _, gap := range s.Missing {
			if layers[gap.Reason] == nil {
				order = append(order, gap.Reason)
			}
			layers[gap.Reason] = append(layers[gap.Reason], gap.Layer)
		}
		for i, reason := range order {
			order[i] = "no " + strings.Join(layers[reason], ", no ") + " (" + reason + ")"
		}
		text += ": " + strings.Join(order, "; ")
	}
	if n := s.UnlockedHandlers; n > 0 {
		text += "; not locked in: " + Plural(uint64(n), "handler") + " of an earlier program"
	}
	return text
}
