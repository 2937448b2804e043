package judge

import (
	"strings"

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
