package judge

import (
	"cmp"

	"bulkhead/internal/plaintext"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// judgeLoad adds where a client's load did not do what it should have, although the
// client lived to say so.
func (v verdict) judgeLoad(c *report.Client) {
	switch c.Load {
	case report.LoadFailed:
		v.partial("client %s: its load could not continue%s", c.Label, words.Because(c.StopDetail))
	case report.LoadUnknown:
		v.partial("client %s: its load ended %s, for a reason that this version does not know%s", c.Label,
			words.After(c), words.Because(c.StopDetail))
	}
	nameWorkers(v.partial, c, words.WorkerFailed)
	v.nameFailing(c)
}

// judgeInterruptions adds what operators did that the run, or the load of a client, was
// cut short by.
func (v verdict) judgeInterruptions(r *report.Report) {
	drained := 0
	for i := range r.Clients {
		switch c := &r.Clients[i]; {
		case c.Load != report.LoadInterrupted:
		case drainedWithAll(c):
			drained++
		default:
			v.interrupted("client %s: %s", c.Label, words.Interruption(c))
		}
	}
	cut := drained > 0 || r.Run.End == report.EndInterrupted || len(v.Reasons) > 0
	why := words.Because(cmp.Or(r.Run.DrainReason, r.Run.EndDetail))
	switch {
	case r.Run.DrainedAt == 0 && r.Run.End != report.EndInterrupted:
	case r.Run.DrainCause == report.DrainByJob && r.Run.End != report.EndInterrupted:
		v.partial("the job's run was drained before its time%s", words.Because(r.Run.DrainReason))
	case r.Run.DrainCause != report.DrainByOperator && r.Run.DrainCause != "":
		v.partial("the supervisor drained the run before its time%s", words.Because(r.Run.DrainReason))
		if r.Run.End == report.EndInterrupted {
			v.interrupted("an operator did not wait for the end of the drain%s", words.Because(r.Run.EndDetail))
		}
	case r.Run.End == report.EndInterrupted:
		v.interrupted("an operator drained the run before its time%s", why)
		v.interrupted("an operator did not wait for the end of the drain%s", words.Because(r.Run.EndDetail))
	case cut:
		v.interrupted("an operator drained the run before its time%s", why)
	default:
		v.warn("an operator drained the run%s; it cut no load short", why)
	}
	named := 0
	for i := range r.Clients {
		c := &r.Clients[i]
		if !drainedWithAll(c) {
			continue
		}
		if named == words.MaxNamed && drained > words.MaxNamed+1 {
			v.interrupted("the drain cut the loads of %s short, too",
				words.Plural(uint64(drained-named), "more client"))
			return
		}
		named++
		v.interrupted("client %s: %s", c.Label, words.Interruption(c))
	}
}

// drainedWithAll reports whether the drain of the run cut a client's load short.
func drainedWithAll(c *report.Client) bool {
	return c.Load == report.LoadInterrupted && c.StopReason == report.StopDrained && c.DrainedAt == 0
}

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
