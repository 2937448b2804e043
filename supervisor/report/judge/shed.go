package judge

import (
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// warnOfShed warns of connections that were refused to shed load.
func (v verdict) warnOfShed(run *report.Run) {
	for i := range run.Shed {
		s := &run.Shed[i]
		v.warn("%s shed %s%s", words.Were(s.Count, "connection"), words.ShedSpan(s, run.StartedAt),
			words.Because(s.Reason))
	}
}
