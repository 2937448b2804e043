package words

import "bulkhead/supervisor/report"

// goesOn is the end of what is to be done about a journal that cannot be written.
const goesOn = "start the supervisor again on the same state directory: the run goes on"

// Remedy says what to do about a journal that cannot be written for a failure, as
// report.Run.Failure has it.
func Remedy(failure string) string {
	if failure == report.FailureFullDisk {
		return "free space in the state directory and " + goesOn
	}
	return "when that is mended " + goesOn
}
