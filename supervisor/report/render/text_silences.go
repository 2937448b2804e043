package render

import (
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// shownSilences is how many of the silences of a client the text lists.
const shownSilences = 12

// silences prints when processes of a client did not answer, or answered that a system call
// was stuck.
func (p *Page) silences(c *report.Client) {
	if p.Series == nil {
		return
	}
	t := table.New("at", ">after", ">for", "event")
	more := 0
	for i := range p.Series.Events {
		e := &p.Series.Events[i]
		if e.Session != c.Session || e.Kind != report.EventMissed && e.Kind != report.EventStall {
			continue
		}
		if len(t.Rows) == shownSilences {
			more++
			continue
		}
		t.Row(words.TimeOfDay(p.Run.StartedAt, e.At), words.Offset(p.Run.StartedAt, e.At),
			human.Duration(report.Between(e.At, e.EndAt)),
			strings.TrimPrefix(e.Text, c.Label+": "))
	}
	p.section("missed heartbeats and stalls (supervisor's clock, from the start of the run)", t)
	p.elsewhere(more, "of them")
}
