package judge

import (
	"fmt"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// contradicting returns the findings about clients of which not all that they say can be true.
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

// judgeContradictions adds what is missing because of what a client, or another in its name, said.
func (v verdict) judgeContradictions(c *report.Client) {
	for _, d := range c.Contradictions {
		if d.Partial {
			v.partial("client %s: %s%s, and what was sent then is not in this report: %s", c.Label, d.What,
				words.Times(d.Count), d.Example)
		}
	}
	switch b := c.Begun; {
	case c.BeginningMissing():
		v.partial("client %s: it continues a session of run %s here; its first messages, up to %s of that session, "+
			"are in that run and not in this one", c.Label, b.Run, human.Count(b.After))
	case b != nil:
		v.warn("client %s: it was in run %s before, which has no message of it; all of them are here", c.Label, b.Run)
	}
}
