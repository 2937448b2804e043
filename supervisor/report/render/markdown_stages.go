package render

import (
	"cmp"

	"bulkhead/supervisor/report"
)

// stages prints a line for each stage, and throughput against response time of each curve.
func (m *Ticket) stages(r *report.Report) {
	if len(r.Stages) == 0 {
		return
	}
	m.Heading("Stages")
	m.Line("| stage | from | length | bytes | MB/s | offered | p50 | p99 | response p99 | sync p99 | " +
		"read MB/s | note |")
	m.Line("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
	for i := range r.Stages[:min(len(r.Stages), shownStages)] {
		m.Row(stageCells(r, &r.Stages[i])...)
	}
	m.more(len(r.Stages)-shownStages, "in report.json")
	for i := range r.Stages[:min(len(r.Stages), shownStages)] {
		if g := r.Stages[i].Gather; g != nil {
			m.Line("")
			m.Line("Before %s: %s", Md(r.Stages[i].Name), Md(g.Text))
		}
	}
	for i := range r.Curves[:min(len(r.Curves), shownCurves)] {
		c := &r.Curves[i]
		m.Heading("Curve " + Md(c.Name))
		m.Line("%s", Md(c.Text))
		if len(c.Points) == 0 {
			continue
		}
		m.Line("")
		m.Line("| step, of %s | offered | MB/s | delivered | response p50 | p99 | p99.9 | |", Md(cmp.Or(c.Of, "none")))
		m.Line("|---|--:|--:|--:|--:|--:|--:|---|")
		for k := range c.Points {
			m.Row(append(pointCells(&c.Points[k]), kneeMark(c, &c.Points[k]))...)
		}
	}
	m.more(len(r.Curves)-shownCurves, "curves in report.json")
}
