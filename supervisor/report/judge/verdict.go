package judge

import (
	"fmt"
	"slices"

	"bulkhead/internal/tally"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// verdict is a Verdict while it is made.
type verdict struct{ *report.Verdict }

// Verdict returns the verdict on a report that is finished but for it. refused are the
// clients that were turned away after they had said their names. A run without an end is
// running if it continues.
func Verdict(r *report.Report, refused *tally.Tally[Refusal], running bool) report.Verdict {
	v := verdict{&report.Verdict{Running: running && r.Run.End == "", Reasons: []string{}, Interruptions: []string{},
		Warnings: []string{}}}
	v.judgeRunAndClients(r)
	v.judgeRefused(r, refused)
	if n := refused.LeftOut; n > 0 {
		v.partial("%d more connections of named clients were rejected", n)
	}
	v.judgeJournal(&r.Journal)
	v.judgeLoss(r)
	v.judgeWindow(r)
	v.judgeInterruptions(r)
	v.warnOfRestarts(&r.Run)
	v.warnOfShared(&r.Run)
	v.warnOfWait(&r.Run)
	v.warnOfShed(&r.Run)
	for i := range r.Clients {
		v.warnOfClient(&r.Clients[i])
	}
	v.warnOfHandlers(r.Handlers)
	v.Word = v.word()
	v.Complete = v.Word == report.WordComplete
	return *v.Verdict
}

// judgeRefused adds which clients were turned away after they had said their names. Nothing
// is missing of one that was let in besides, as after a wrong token, or that is none of those
// that are awaited by name.
func (v verdict) judgeRefused(r *report.Report, refused *tally.Tally[Refusal]) {
	came := words.Namesakes(r)
	for _, who := range refused.Order {
		n := words.Times(refused.Counts[who])
		switch {
		case came[who.Name] != nil:
			v.warn("a client called %s was rejected%s: %s; one of that name was let in", who.Name, n, who.Reason)
		case len(r.Run.ExpectedNames) > 0 && !slices.Contains(r.Run.ExpectedNames, who.Name):
			v.warn("client %s, which is not expected, was rejected%s: %s", who.Name, n, who.Reason)
		default:
			v.partial("client %s was rejected%s: %s", who.Name, n, who.Reason)
		}
	}
}

// judgeRunAndClients adds what of the content is wrong, how the run ended, its sessions
// and their loads.
func (v verdict) judgeRunAndClients(r *report.Report) {
	for i := range r.Clients {
		v.judgeContent(&r.Clients[i])
		v.judgeContradictions(&r.Clients[i])
	}
	v.judgeRun(&r.Run, r.Journal.Records)
	v.judgeAttendance(r)
	rests := words.RestsOf(r.Clients)
	for i := range r.Clients {
		v.judgeOutcome(&r.Clients[i], rests[r.Clients[i].Session], &r.Run)
		v.judgeResent(&r.Clients[i], rests[r.Clients[i].Session])
		v.judgeLoad(&r.Clients[i])
		v.judgeSubstance(&r.Clients[i], rests[r.Clients[i].Session] != nil)
		v.judgeSchedule(&r.Clients[i], rests[r.Clients[i].Session] != nil, v.Running)
		v.judgeLeftOut(&r.Clients[i])
	}
	v.judgeStages(r)
}

func (v verdict) partial(format string, args ...any) {
	v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...))
}

func (v verdict) interrupted(format string, args ...any) {
	v.Interruptions = append(v.Interruptions, fmt.Sprintf(format, args...))
}

func (v verdict) warn(format string, args ...any) {
	v.Warnings = append(v.Warnings, fmt.Sprintf(format, args...))
}

func (v verdict) judgeRun(run *report.Run, records uint64) {
	switch {
	case records == 0 && run.End == "":
		v.partial("the journal is empty")
	case v.Running:
	case run.End == "":
		v.partial(
			"the run has no end: the supervisor was killed or is still running, or it could not write its journal")
	case run.End == report.EndFailed:
		v.partial("the supervisor could not continue%s", words.Because(run.EndDetail))
	case run.End == report.EndUnknown:
		v.partial("the run ended for an unknown reason%s", words.Because(run.EndDetail))
	}
}

// judgeOutcome adds how a session did not end in order. rest is the session that has
// what it lacks, or nil.
func (v verdict) judgeOutcome(c, rest *report.Client, run *report.Run) {
	more := words.Rest(rest)
	if more != "" {
		more = "; " + more
	}
	switch c.Outcome {
	case report.OutcomeClosed:
	case report.OutcomeOpen:
		if v.Running && words.Connected(c) {
			return
		}
		v.partial("client %s: open: %s%s", c.Label, words.OpenCause(c, run), more)
	default:
		v.partial("client %s: %s%s%s", c.Label, c.Outcome, words.Because(words.EndCause(c)), more)
	}
}

func (v verdict) judgeJournal(j *report.Journal) {
	switch d := j.Damage; {
	case d == nil:
	case d.MayBeAcknowledged:
		v.partial("the journal's end cannot be read: %s at byte %d, %s%s", d.Segment, d.OffsetBytes,
			words.Plural(uint64(d.TornBytes), "byte"), words.Because(d.Why))
	case d.Torn:
		v.partial("the journal ends in the middle of a record: %s at byte %d, %s torn%s",
			d.Segment, d.OffsetBytes, words.Plural(uint64(d.TornBytes), "byte"), words.Because(d.Why))
	default:
		v.partial("the journal is damaged, and nothing behind the damage is in this report: %s at byte %d%s",
			d.Segment, d.OffsetBytes, words.Because(d.Why))
	}
	for _, text := range j.Violations {
		v.partial("journal: %s", text)
	}
	if j.ViolationsLeftOut > 0 {
		v.partial("journal: %d more records are out of order", j.ViolationsLeftOut)
	}
}

// Refusal is a client that was turned away after it had said its name.
type Refusal struct{ Name, Reason string }

// word returns what the verdict amounts to.
func (v verdict) word() report.Word {
	switch {
	case v.Running:
		return report.WordRunning
	case len(v.Reasons) > 0:
		return report.WordPartial
	case len(v.Interruptions) > 0:
		return report.WordInterrupted
	default:
		return report.WordComplete
	}
}
