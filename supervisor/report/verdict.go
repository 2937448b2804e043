package report

import (
	"fmt"
	"slices"
	"strings"

	words "bulkhead/internal/plural"
)

// verdict judges a report that is finished but for its verdict. A run without an end is
// running if it goes on.
func (f *Folder) verdict(r *Report, goesOn bool) Verdict {
	v := Verdict{Running: goesOn && r.Run.End == "", Reasons: []string{}, Interruptions: []string{}, Warnings: []string{}}
	v.judgeRunAndClients(r)
	v.judgeRefused(r, &f.refused)
	if n := f.refused.leftOut; n > 0 {
		v.partial("%d more connections of named clients were rejected", n)
	}
	v.judgeJournal(&r.Journal)
	v.judgeLoss(r)
	v.judgeInterruptions(r)
	v.warnOfRestarts(&r.Run)
	v.warnOfShed(&r.Run)
	for i := range r.Clients {
		v.warnOfClient(&r.Clients[i])
	}
	v.warnOfHandlers(r.Handlers)
	v.Word = v.word()
	v.Complete = v.Word == WordComplete
	return v
}

// judgeRefused says which clients were turned away after they had said their names. Nothing
// is missing of one that was let in besides, as after a wrong token, or that is none of those
// that are awaited by name.
func (v *Verdict) judgeRefused(r *Report, refused *tally[refusal]) {
	came := r.namesakes()
	for _, who := range refused.order {
		n := times(refused.counts[who])
		switch {
		case came[who.name] != nil:
			v.warn("a client called %s was rejected%s: %s; one of that name was let in", who.name, n, who.reason)
		case len(r.Run.ExpectedNames) > 0 && !slices.Contains(r.Run.ExpectedNames, who.name):
			v.warn("client %s, which is not expected, was rejected%s: %s", who.name, n, who.reason)
		default:
			v.partial("client %s was rejected%s: %s", who.name, n, who.reason)
		}
	}
}

// judgeRunAndClients says what of the content is wrong, how the run ended, its sessions
// and their loads.
func (v *Verdict) judgeRunAndClients(r *Report) {
	for i := range r.Clients {
		v.judgeContent(&r.Clients[i])
		v.judgeContradictions(&r.Clients[i])
	}
	v.judgeRun(&r.Run, r.Journal.Records)
	v.judgeAttendance(r)
	rests := restsOf(r.Clients)
	for i := range r.Clients {
		v.judgeOutcome(&r.Clients[i], rests[r.Clients[i].Session], &r.Run)
		v.judgeResent(&r.Clients[i], rests[r.Clients[i].Session])
		v.judgeLoad(&r.Clients[i])
		v.judgeSubstance(&r.Clients[i], rests[r.Clients[i].Session] != nil)
		v.judgeLeftOut(&r.Clients[i])
	}
}

func (v *Verdict) partial(format string, args ...any) {
	v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...))
}

func (v *Verdict) interrupted(format string, args ...any) {
	v.Interruptions = append(v.Interruptions, fmt.Sprintf(format, args...))
}

func (v *Verdict) warn(format string, args ...any) {
	v.Warnings = append(v.Warnings, fmt.Sprintf(format, args...))
}

func (v *Verdict) judgeRun(run *Run, records uint64) {
	switch {
	case records == 0 && run.End == "":
		v.partial("the journal is empty")
	case v.Running:
	case run.End == "":
		v.partial("the run has no end: the supervisor was killed or is still running, or it could not write its journal")
	case run.End == EndFailed:
		v.partial("the supervisor could not go on%s", because(run.EndDetail))
	case run.End == EndUnknown:
		v.partial("the run ended, but nobody knows why%s", because(run.EndDetail))
	}
}

// judgeOutcome says how a session did not end in order. rest is the session that has
// what it lacks, or nil.
func (v *Verdict) judgeOutcome(c, rest *Client, run *Run) {
	more := restWords(rest)
	if more != "" {
		more = "; " + more
	}
	switch c.Outcome {
	case OutcomeClosed:
	case OutcomeOpen:
		if v.Running && c.connected() {
			return
		}
		v.partial("client %s: open: %s%s", c.Label, openCause(c, run), more)
	default:
		v.partial("client %s: %s%s%s", c.Label, c.Outcome, because(endCause(c)), more)
	}
}

// endCause is why a session ended as it did, with all that is known of it.
func endCause(c *Client) string {
	parts := make([]string, 0, 3)
	if c.Cause != "" {
		parts = append(parts, c.Cause)
	}
	switch c.Outcome {
	case OutcomeLost:
		if saysLoss(c.Cause) {
			break // it says all
		}
		if n := len(c.Connections); n > 0 && c.Connections[n-1].DetachedAt != 0 {
			if words := lossWords(&c.Connections[n-1]); words != "" {
				parts = append(parts, words)
			}
		}
	case OutcomeQuarantined:
		killed := plural(uint64(c.KilledHandlers), "handler")
		switch {
		case c.QuarantineFile != "":
			parts = append(parts, fmt.Sprintf("what killed %s is kept in %s", killed, c.QuarantineFile))
		case c.KilledHandlers > 0:
			parts = append(parts, killed+" killed, and what did it is not kept")
		}
	}
	return strings.Join(parts, "; ")
}

// connected says whether a session that has no end had a connection at the last.
func (c *Client) connected() bool {
	n := len(c.Connections)
	return c.Outcome == OutcomeOpen && n > 0 && c.Connections[n-1].DetachedAt == 0
}

// openCause says in what state a session without an end was left.
func openCause(c *Client, run *Run) string {
	if run.End == EndFailed {
		return fmt.Sprintf("cut off as the supervisor could not go on; durable up to message %s", count(c.LastSeq))
	}
	if len(c.Connections) == 0 {
		return "never served by a handler"
	}
	last := c.Connections[len(c.Connections)-1]
	if c.connected() {
		return fmt.Sprintf("still connected through handler %d", last.HandlerPid)
	}
	return "away" + because(last.DetachCause)
}

func (v *Verdict) judgeJournal(j *Journal) {
	switch d := j.Damage; {
	case d == nil:
	case d.MayBeAcknowledged:
		v.partial("the journal's end cannot be read: %s at byte %d, %s%s", d.Segment, d.OffsetBytes, plural(uint64(d.TornBytes), "byte"), because(d.Why))
	case d.Torn:
		v.partial("the journal ends in the middle of a record: %s at byte %d, %s torn%s",
			d.Segment, d.OffsetBytes, plural(uint64(d.TornBytes), "byte"), because(d.Why))
	default:
		v.partial("the journal is damaged, and nothing behind the damage is in this report: %s at byte %d%s",
			d.Segment, d.OffsetBytes, because(d.Why))
	}
	for _, text := range j.Violations {
		v.partial("journal: %s", text)
	}
	if j.ViolationsLeftOut > 0 {
		v.partial("journal: %d more records are out of order", j.ViolationsLeftOut)
	}
}

// because returns ": cause", or nothing for no cause.
func because(cause string) string {
	if cause == "" {
		return ""
	}
	return ": " + cause
}

// times returns " n times", or nothing for once.
func times(n uint64) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" %d times", n)
}

// were returns "1 thing was" or "n things were".
func were(n uint64, thing string) string {
	if n == 1 {
		return plural(n, thing) + " was"
	}
	return plural(n, thing) + " were"
}

// plural returns "1 thing" or "n things".
func plural(n uint64, thing string) string { return count(n) + " " + words.Noun(n, thing) }
