package report

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// spreadText names what is said of a figure's values.
const spreadText = "mean ± standard deviation; of latencies both of their logarithms, as a range"

// Text writes c for people. An error is w's.
func (c *Comparison) Text(w io.Writer) error {
	p := &page{Report: new(Report)}
	p.line("%s", c.Summary)
	p.heading("RUNS")
	t := newTable("", "run", "started", "verdict", "compared intervals")
	for _, row := range c.sides() {
		t.row(row...)
	}
	t.write(&p.out, indent, pageWidth)
	p.heading("CONFIGURED DIFFERENTLY")
	p.differences(c.Configured, "nothing")
	p.heading("FIGURES OF INTERVALS, %s", spreadText)
	t = newTable("figure", ">A", ">B", ">change", ">p", "judgement")
	for i := range c.Figures {
		t.row(c.Figures[i].cells()...)
	}
	t.write(&p.out, indent, pageWidth)
	for _, line := range wrap(c.Test, pageWidth-len(indent)) {
		p.line("%s%s", indent, line)
	}
	p.heading("WHOLE RUNS")
	p.differences(c.Whole, "nothing")
	if len(c.Notes) > 0 {
		p.heading("NOTES")
		for _, note := range c.Notes {
			p.line("%s- %s", indent, note)
		}
	}
	if _, err := w.Write(p.out.Bytes()); err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	return nil
}

func (p *page) differences(list []Difference, nothing string) {
	if len(list) == 0 {
		p.line("%s%s", indent, nothing)
		return
	}
	t := newTable("", "A", "B")
	for _, d := range list {
		t.row(d.Name, shorten(orDash(d.A), 44), shorten(orDash(d.B), 44))
	}
	t.write(&p.out, indent, pageWidth)
}

// sides are the rows that say which runs they are.
func (c *Comparison) sides() [][]string {
	var rows [][]string
	for i, s := range []*Side{&c.A, &c.B} {
		started := none
		if s.StartedAt != 0 {
			started = s.StartedAt.utc().Format("2006-01-02 15:04:05")
		}
		rows = append(rows, []string{string(rune('A' + i)), orDash(s.RunID), started, strings.ToLower(string(s.Word)), s.Window})
	}
	return rows
}

// cells are a figure as a row.
func (f *Compared) cells() []string {
	judgement := ""
	change, p := none, none
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
		return none
	case f.Unit == "nano":
		return fmt.Sprintf("%s (%s…%s)", human(int64(s.Mean)), human(int64(s.Low)), human(int64(s.High)))
	default:
		return fmt.Sprintf("%s ± %s MB/s", megabytes(uint64(math.Round(s.Mean))), megabytes(uint64(math.Round(s.Deviation))))
	}
}

// Markdown writes c to paste into a ticket. An error is w's.
func (c *Comparison) Markdown(w io.Writer) error {
	m := &ticket{}
	m.line("# Two bulkhead runs compared")
	m.line("")
	m.line("**%s**", md(c.Summary))
	m.heading("Runs")
	m.line("| | run | started | verdict | compared intervals |")
	m.line("|---|---|---|---|---|")
	for _, row := range c.sides() {
		m.row(row...)
	}
	m.heading("Configured differently")
	m.differences(c.Configured)
	m.heading("Figures of intervals, " + spreadText)
	m.line("| figure | A | B | change | p | judgement |")
	m.line("|---|--:|--:|--:|--:|---|")
	for i := range c.Figures {
		m.row(c.Figures[i].cells()...)
	}
	m.line("")
	m.line("%s", md(c.Test))
	m.heading("Whole runs")
	m.differences(c.Whole)
	m.list("Notes", c.Notes)
	if _, err := w.Write(m.out.Bytes()); err != nil {
		return fmt.Errorf("writing the comparison: %w", err)
	}
	return nil
}

func (m *ticket) differences(list []Difference) {
	if len(list) == 0 {
		m.line("nothing")
		return
	}
	m.line("| | A | B |")
	m.line("|---|---|---|")
	for _, d := range list {
		m.row(d.Name, orDash(d.A), orDash(d.B))
	}
}
