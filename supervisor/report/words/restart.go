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

// restart is the end of what is to be done about a journal that cannot be written.
const restart = "start the supervisor again on the same state directory: the run continues"

// Remedy returns what to do about a journal that cannot be written for a failure, as
// report.Run.Failure has it.
func Remedy(failure string) string {
	if failure == report.FailureFullDisk {
		return "free space in the state directory and " + restart
	}
	return "once that is fixed, " + restart
}
