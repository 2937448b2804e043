package report

import "strings"

// Failed says in the report of a run without an end that its supervisor could not go on,
// which it cannot record when it is the journal that failed: detail is the journal's
// error. Open sessions are then said to go on with the next supervisor. It does nothing
// for a run that has an end.
func (r *Report) Failed(detail string) {
	if r.Run.End != "" {
		return
	}
	before := r.endReasons()
	r.Run.End, r.Run.EndDetail = EndFailed, cleanLines(detail)+"; "+remedy(detail)
	// They are the first of the verdict.
	r.Verdict.Reasons = append(r.endReasons(), r.Verdict.Reasons[len(before):]...)
}

// goesOn is the end of what is to be done about a journal that cannot be written.
const goesOn = "start the supervisor again on the same state directory: the run goes on"

// remedy says what to do about a journal that cannot be written.
func remedy(detail string) string {
	for _, full := range []string{"no space left on device", "disk quota exceeded"} {
		if strings.Contains(detail, full) {
			return "free space in the state directory and " + goesOn
		}
	}
	return "when that is mended " + goesOn
}

// endReasons are the reasons that depend on how the run ended: those of the run and of
// its clients, which begin the verdict.
func (r *Report) endReasons() []string {
	v := Verdict{Reasons: []string{}}
	v.judgeRunAndClients(r)
	return v.Reasons
}
