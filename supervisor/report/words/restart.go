package words

import (
	"fmt"

	"bulkhead/supervisor/report"
)

// Adopted returns how many handlers the next supervisor adopted.
func Adopted(r *report.Restart) string {
	all := uint64(r.HandlersKept) + uint64(r.HandlersGone)
	if all == 0 {
		return "there was no handler to adopt"
	}
	verb := "were"
	if r.HandlersKept == 1 || all == 1 {
		verb = "was"
	}
	return fmt.Sprintf("%d of %s %s adopted", r.HandlersKept, Plural(all, "handler"), verb)
}
