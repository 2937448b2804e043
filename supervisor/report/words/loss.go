package words

import (
	"strings"

	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
)

// SaysLoss says whether a cause is the supervisor's word that the journal lost what it had
// acknowledged.
func SaysLoss(cause string) bool { return strings.Contains(cause, journal.LostAcknowledged) }

func ClientSaysLoss(c *report.Client) bool {
	if SaysLoss(c.Cause) {
		return true
	}
	for i := range c.Connections {
		if SaysLoss(c.Connections[i].DetachCause) {
			return true
		}
	}
	return false
}
