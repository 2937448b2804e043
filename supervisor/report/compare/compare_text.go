package compare

import (
	"fmt"
	"io"
	"math"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/render"
)

// spreadText names what is said of a figure's values.
const spreadText = "mean ± standard deviation; of latencies both of their logarithms, as a range"

// Text writes c for people. An error is w's.
func (c *Comparison) Text(w io.Writer) error {
	p := &render.Page{Report: new(report.Report)}
	p.Line("%s", c.Summary)
	p.Heading("RUNS")
	t := table.New("", "run", "started", "verdict", "compared intervals")
	for _, row := range c.sides() {
		t.Row(row...)
	}
	t.Write(&p.Out, render.Indent, render.PageWidth)
	p.Heading("CONFIGURED DIFFERENTLY")
	writeDifferences(p, c.Configured, "nothing")
	p.Heading("FIGURES OF INTERVALS, %s", spreadText)
	t = table.New("figure", ">A", ">B", ">change", ">p", "judgement")
	for i := range c.Figures {
		t.Row(c.Figures[i].cells()...)
	}
	t.Write(&p.Out, render.Indent, render.PageWidth)
	for _, line := range human.Wrap(c.Test, render.PageWidth-len(render.Indent)) {
		p.Line("%s%s", render.Indent, line)
	}
	if len(c.Stages) > 0 {
		p.Heading("STAGES, by their names")
		t = table.New(stageHead...)
		for i := range c.Stages {
			t.Row(c.Stages[i].cells()...)
		}
		t.Write(&p.Out, render.Indent, render.PageWidth)
	}
	p.Heading("WHOLE RUNS")
	writeDifferences(p, c.Whole, "nothing")
	if len(c.Notes) > 0 {
		p.Heading("NOTES")
		for _, note := range c.Notes {
			p.Line("%s- %s", render.Indent, note)
		}
	}
	if _, err := w.Write(p.Out.Bytes()); err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	return nil
}

func writeDifferences(p *render.Page, list []Difference, nothing string) {
	if len(list) == 0 {
		p.Line("%s%s", render.Indent, nothing)
		return
	}
	t := table.New("", "A", "B")
	for _, d := range list {
		t.Row(d.Name, human.Shorten(human.OrDash(d.A), 44), human.Shorten(human.OrDash(d.B), 44))
	}
	t.Write(&p.Out, render.Indent, render.PageWidth)
}

// sides returns the rows that tell which runs are compared.
func (c *Comparison) sides() [][]string {
	var rows [][]string
	for i, s := range []*Side{&c.A, &c.B} {
		started := human.None
		if s.StartedAt != 0 {
			started = s.StartedAt.UTC().Format("2006-01-02 15:04:05")
		}
		rows = append(rows, []string{string(rune('A' + i)), human.OrDash(s.RunID), started,
			strings.ToLower(string(s.Word)), s.Window})
	}
	return rows
}

// cells returns a figure as a row.
func (f *Compared) cells() []string {
	judgement := ""
	change, p := human.None, human.None
	if f.A.Mean > 0 && f.B.Mean > 0 {
		change = fmt.Sprintf("%+.1f %%", f.ChangePercent)
	}
	if f.P != nil {
		judgement = "no significant difference"
		p = fmt.Sprintf("%.3f", *f.P)
		if *f.P < 0.001 {
			p = "<0.001"
		}
	}
	switch {
	case f.Significant && f.Better:
		judgement = "significant: B is better"
	case f.Significant:
		judgement = "significant: B is worse"
	case f.P != nil && *f.P < significantP:
		judgement = "too small to matter"
	}
	return []string{f.Name, f.sampled(&f.A), f.sampled(&f.B), change, p, judgement}
}

// sampled prints a mean and its spread.
func (f *Compared) sampled(s *Sampled) string {
	switch {
	case s.Intervals == 0:
		return human.None
	case f.Unit == "nano":
		return fmt.Sprintf("%s (%s…%s)", human.Duration(int64(s.Mean)), human.Duration(int64(s.Low)),
			human.Duration(int64(s.High)))
	default:
		return fmt.Sprintf("%s ± %s MB/s", human.Megabytes(uint64(math.Round(s.Mean))),
			human.Megabytes(uint64(math.Round(s.Deviation))))
	}
}

// Markdown writes c to paste into a ticket. An error is w's.
func (c *Comparison) Markdown(w io.Writer) error {
	m := &render.Ticket{}
	m.Line("# Two bulkhead runs compared")
	m.Line("")
	m.Line("**%s**", render.Md(c.Summary))
	m.Heading("Runs")
	m.Line("| | run | started | verdict | compared intervals |")
	m.Line("|---|---|---|---|---|")
	for _, row := range c.sides() {
		m.Row(row...)
	}
	m.Heading("Configured differently")
	listDifferences(m, c.Configured)
	m.Heading("Figures of intervals, " + spreadText)
	m.Line("| figure | A | B | change | p | judgement |")
	m.Line("|---|--:|--:|--:|--:|---|")
	for i := range c.Figures {
		m.Row(c.Figures[i].cells()...)
	}
	m.Line("")
	m.Line("%s", render.Md(c.Test))
	if len(c.Stages) > 0 {
		m.Heading("Stages, by their names")
		m.Line("| stage | A MB/s | B MB/s | change | A p99 | B p99 | A response p99 | B response p99 | note |")
		m.Line("|---|--:|--:|--:|--:|--:|--:|--:|---|")
		for i := range c.Stages {
			m.Row(c.Stages[i].cells()...)
		}
	}
	m.Heading("Whole runs")
	listDifferences(m, c.Whole)
	m.List("Notes", c.Notes)
	if _, err := w.Write(m.Out.Bytes()); err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	return nil
}

func listDifferences(m *render.Ticket, list []Difference) {
	if len(list) == 0 {
		m.Line("nothing")
		return
	}
	m.Line("| | A | B |")
	m.Line("|---|---|---|")
	for _, d := range list {
		m.Row(d.Name, human.OrDash(d.A), human.OrDash(d.B))
	}
}
