package words

import "bulkhead/supervisor/report"

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
