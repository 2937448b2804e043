package judge

import (
	"fmt"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// contradicting are the findings about clients of which not all that they say can be true.
func contradicting(r *report.Report) []report.Finding {
	var list []report.Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		for _, d := range c.Contradictions {
			f := about(c, report.FindingContradiction)
			f.Text = fmt.Sprintf("client %s contradicts itself: %s%s", c.Label, d.What, words.Times(d.Count))
			if d.Partial {
				f.Text = fmt.Sprintf("client %s: %s%s", c.Label, d.What, words.Times(d.Count))
			}
			f.Evidence, f.Threshold = d.Example, "once"
			list = append(list, f)
		}
	}
	return list
}

// judgeContradictions says what is missing for what a client, or another in its name, said.
func (v verdict) judgeContradictions(c *report.Client) {
	for _, d := range c.Contradictions {
		if d.Partial {
			v.partial("client %s: %s%s, and what was sent then is not in this report: %s", c.Label, d.What, words.Times(d.Count), d.Example)
		}
	}
	switch b := c.Begun; {
	case c.BeginningMissing():
		v.partial("client %s: it goes on here with a session of run %s; its first messages, up to %s of that session, are there, and not in this run", c.Label, b.Run, human.Count(b.After))
	case b != nil:
		v.warn("client %s: it was in run %s before, which has no message of it; all of them are here", c.Label, b.Run)
	}
}
