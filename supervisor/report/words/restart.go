package words

import (
	"fmt"

	"bulkhead/supervisor/report"
)

// TakenUp says what became of the handlers.
func TakenUp(r *report.Restart) string {
	all := uint64(r.HandlersKept) + uint64(r.HandlersGone)
	if all == 0 {
		return "there was no handler to take up again"
	}
	verb := "were"
	if r.HandlersKept == 1 || all == 1 {
		verb = "was"
	}
	return fmt.Sprintf("%d of %s %s taken up again", r.HandlersKept, Plural(all, "handler"), verb)
}
