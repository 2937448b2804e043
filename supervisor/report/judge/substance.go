package judge

import (
	"bulkhead/internal/substance"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// judgeSubstance adds what is missing of a load that ended in order, and what is worth a
// word of it. One that could not continue says so itself, and a load of which one session has
// the beginning and another the end, here or in another run, is left to what is said of
// these.
func (v verdict) judgeSubstance(c *report.Client, parted bool) {
	if c.Load != report.LoadWhole && c.Load != report.LoadInterrupted || c.Outcome != report.OutcomeClosed ||
		c.Resent || parted || c.BeginningMissing() || len(c.Workload.Consumers) == 0 {
		return
	}
	missing, notes := substance.Judge(words.Judgeable(c))
	for _, line := range missing {
		v.partial("client %s: %s", c.Label, line)
	}
	for _, line := range notes {
		v.warn("client %s: %s", c.Label, line)
	}
}
