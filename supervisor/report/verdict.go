package report

import (
	"fmt"
	"strings"
)

// verdict judges a report that is finished but for its verdict.
func (f *Folder) verdict(r *Report) Verdict {
	v := Verdict{Reasons: []string{}, Warnings: []string{}}
	v.judgeRun(&r.Run, r.Journal.Records)
	for i := range r.Clients {
		v.judgeOutcome(&r.Clients[i])
	}
	for _, who := range f.refused.order {
		v.partial("client %s was rejected%s: %s", who.name, times(f.refused.counts[who]), who.reason)
	}
	if n := f.refused.leftOut; n > 0 {
		v.partial("%d more connections of named clients were rejected", n)
	}
	v.judgeJournal(&r.Journal)
	for i := range r.Clients {
		v.warnOfClient(&r.Clients[i])
	}
	v.warnOfHandlers(r.Handlers)
	v.Complete = len(v.Reasons) == 0
	return v
}

func (v *Verdict) partial(format string, args ...any) {
	v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...))
}

func (v *Verdict) warn(format string, args ...any) {
	v.Warnings = append(v.Warnings, fmt.Sprintf(format, args...))
}

func (v *Verdict) judgeRun(run *Run, records uint64) {
	switch {
	case records == 0:
		v.partial("the journal is empty")
	case run.End == "":
		v.partial("the run has no end: the supervisor was killed or is still running")
	case run.End == "failed":
		v.partial("the supervisor could not go on%s", because(run.EndDetail))
	case run.End == "unknown":
		v.partial("the run ended, but nobody knows why%s", because(run.EndDetail))
	case run.End == "drained":
		v.warn("the run was drained before its time%s", because(run.EndDetail))
	}
	if run.JoinedClients < run.ExpectedClients {
		v.partial("expected %s, %d came", plural(uint64(run.ExpectedClients), "client"), run.JoinedClients)
	}
}

func (v *Verdict) judgeOutcome(c *Client) {
	switch c.Outcome {
	case OutcomeClosed:
	case OutcomeOpen:
		v.partial("client %s: open: %s", c.Label, openCause(c))
	default:
		v.partial("client %s: %s%s", c.Label, c.Outcome, because(c.Cause))
	}
}

// openCause says in what state a session without an end was left.
func openCause(c *Client) string {
	if len(c.Connections) == 0 {
		return "never served by a handler"
	}
	last := c.Connections[len(c.Connections)-1]
	if last.DetachedAt == 0 {
		return fmt.Sprintf("still connected through handler %d", last.HandlerPid)
	}
	return "away" + because(last.DetachCause)
}

func (v *Verdict) judgeJournal(j *Journal) {
	switch d := j.Damage; {
	case d == nil:
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

// plural returns "1 thing" or "n things".
func plural(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if strings.HasSuffix(thing, "ch") {
		return count(n) + " " + thing + "es"
	}
	return count(n) + " " + thing + "s"
}
