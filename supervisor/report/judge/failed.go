package judge

import (
	"bulkhead/internal/plaintext"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// Failed adds to the report of a run without an end that its supervisor could not continue,
// which it cannot record when it is the journal that failed: detail is the journal's
// error, and failure its class, as report.Run.Failure has it. Open sessions are then said to
// continue with the next supervisor. It does nothing for a run that has an end.
func Failed(r *report.Report, failure, detail string) {
	if r.Run.End != "" {
		return
	}
	before := endReasons(r)
	r.Run.End, r.Run.Failure, r.Run.EndDetail = report.EndFailed, failure, plaintext.Lines(detail)+"; "+
		words.Remedy(failure)
	// They are the first of the verdict.
	r.Verdict.Reasons = append(endReasons(r), r.Verdict.Reasons[len(before):]...)
}

// endReasons returns the reasons that depend on how the run ended: those of the run and of
// its clients, which begin the verdict.
func endReasons(r *report.Report) []string {
	v := verdict{&report.Verdict{Reasons: []string{}}}
	v.judgeRunAndClients(r)
	return v.Reasons
}
