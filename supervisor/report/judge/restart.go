package judge

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// warnOfRestarts warns of restarts that nobody asked for, of settings that were changed, and
// of what was found torn.
func (v verdict) warnOfRestarts(run *report.Run) {
	for i := range run.Restarts {
		r := &run.Restarts[i]
		at := words.TimeOfDay(run.StartedAt, r.At)
		switch r.Kind {
		case report.RestartRestarted:
			v.warn("the supervisor was killed and restarted at %s; %s", at, words.Adopted(r))
		case report.RestartUnknown:
			v.warn("another supervisor resumed the run at %s; %s", at, words.Adopted(r))
		}
		if len(r.Changes) > 0 {
			v.warn("the supervisor that resumed the run at %s has other settings: %s", at,
				strings.Join(r.Changes, "; "))
		}
		switch {
		case r.TornMayBeAcknowledged:
			v.warn("the journal's end was damaged at %s: %s set aside%s", at, words.Plural(r.TornBytes, "byte"),
				words.Because(r.Torn))
		case r.TornBytes > 0 || r.Torn != "":
			v.warn("the journal ended in the middle of a record at %s: %s set aside, never acknowledged%s",
				at, words.Plural(r.TornBytes, "byte"), words.Because(r.Torn))
		}
	}
	if n := run.RestartsLeftOut; n > 0 {
		v.warn("the supervisor was restarted or upgraded %s more before that", words.Plural(n, "time"))
	}
}

// warnOfShared warns of supervisors that were not heard any more, and of a journal of which nobody knows
// whether it is durable.
func (v verdict) warnOfShared(run *report.Run) {
	for _, text := range run.JournalUnproven {
		v.warn("what was acknowledged is not proven durable: %s", text)
	}
	for i := range run.Supervisors {
		if s := &run.Supervisors[i]; s.Left == report.LeftSilent {
			v.warn("at %s %s", words.TimeOfDay(run.StartedAt, s.LeftAt), words.SupervisorLeft(s))
		}
	}
}

// journalUnavailable finds that supervisors could not reach the engine that has the journal.
func journalUnavailable(r *report.Report) []report.Finding {
	if len(r.Run.JournalOutages) == 0 {
		return nil
	}
	var texts []string
	for _, o := range r.Run.JournalOutages {
		texts = append(texts, fmt.Sprintf("for %s from %s on at supervisor %d", human.Duration(o.LengthNano),
			words.TimeOfDay(r.Run.StartedAt, o.At), o.Supervisor))
	}
	f := report.Finding{Kind: report.FindingUnavailable,
		Text: "the journal's engine could not be reached " + andMore(texts) + "; clients went on, and what they said " +
			"was acknowledged later"}
	f.Evidence = "the supervisors' own clocks: too few of the engine's nodes were there, or could be reached"
	if n := r.Run.JournalOutagesLeftOut; n > 0 {
		f.Evidence += "; " + words.Plural(n, "more outage")
	}
	f.Threshold = "one append that was not answered"
	return []report.Finding{f}
}
