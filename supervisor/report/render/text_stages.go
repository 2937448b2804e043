package render

import (
	"math"
	"strconv"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// stages prints a line for each stage.
func (p *Page) stages() {
	if len(p.Stages) == 0 {
		return
	}
	p.Heading("STAGES")
	t := table.New("stage", ">from", ">length", ">bytes", ">MB/s", ">offered", ">p50", ">p99", ">resp p99",
		">sync p99", ">read MB/s", "note")
	t.Names = "stage"
	for i := range p.Stages[:min(len(p.Stages), shownStages)] {
		t.Row(stageCells(p.Report, &p.Stages[i])...)
	}
	t.Write(&p.Out, Indent, PageWidth)
	p.elsewhere(len(p.Stages)-shownStages, "stages")
	for i := range p.Stages[:min(len(p.Stages), shownStages)] {
		if g := p.Stages[i].Gather; g != nil {
			for _, line := range human.Wrap("before "+p.Stages[i].Name+": "+g.Text, PageWidth-len(Indent)) {
				p.Line("%s%s", Indent, line)
			}
		}
	}
}

// stageCells returns a stage as a row.
func stageCells(r *report.Report, s *report.Stage) []string {
	name := human.Abridge(s.Name, table.MaxShownName)
	if s.FromAt == 0 {
		return []string{name, "", "", "", "", "", "", "", "", "", "", s.Note}
	}
	l := &s.ChunkWrite
	return []string{name, words.Offset(r.Run.StartedAt, s.FromAt), human.Duration(s.LengthNano), human.Size(s.Bytes),
		human.Megabytes(s.BytesPerSecond), offeredOf(s), percentile(l, l.P50Nano), percentile(l, l.P99Nano),
		p99Of(s.Response), p99Of(s.Phases.Sync), rateUnlessZero(s.ReadBytesPerSecond), s.Note}
}

// offeredOf returns the rate that the consumers held themselves to; "" for none.
func offeredOf(s *report.Stage) string {
	switch {
	case s.OfferedBytesPerSecond > 0:
		return human.Megabytes(s.OfferedBytesPerSecond)
	case s.OfferedChunksPerSecond > 0:
		return human.Decimal(s.OfferedChunksPerSecond) + " chunks/s"
	default:
		return ""
	}
}

func p99Of(l *report.Latency) string {
	if !l.Known() {
		return ""
	}
	return human.Duration(l.P99Nano)
}

func rateUnlessZero(perSecond uint64) string {
	if perSecond == 0 {
		return ""
	}
	return human.Megabytes(perSecond)
}

// curves prints throughput against response time, with the knee, of each curve.
func (p *Page) curves() {
	for i := range p.Curves[:min(len(p.Curves), shownCurves)] {
		c := &p.Curves[i]
		of := ""
		if c.Of != "" {
			of = ", in percent of " + c.Of
		}
		p.Heading("CURVE %s%s", c.Name, of)
		for _, line := range human.Wrap(c.Text, PageWidth-len(Indent)) {
			p.Line("%s%s", Indent, line)
		}
		if len(c.Points) == 0 {
			continue
		}
		t := table.New("step", ">offered", ">MB/s", ">delivered", ">resp p50", ">p99", ">p99.9", "", "p99, logarithmic")
		for k := range c.Points {
			t.Row(append(pointCells(&c.Points[k]), kneeMark(c, &c.Points[k]), p99Bar(c, &c.Points[k]))...)
		}
		t.Write(&p.Out, Indent, PageWidth)
	}
	p.elsewhere(len(p.Curves)-shownCurves, "curves")
}

// pointCells returns a point of a curve as a row.
func pointCells(p *report.CurvePoint) []string {
	row := []string{human.Abridge(p.Name, table.MaxShownName), rateUnlessZero(p.OfferedBytesPerSecond),
		human.Megabytes(p.BytesPerSecond), "", "", "", ""}
	if p.OfferedBytesPerSecond > 0 {
		row[3] = strconv.FormatFloat(p.DeliveredPercent, 'f', 1, 64) + " %"
	}
	if l := p.Response; l.Known() {
		row[4], row[5], row[6] = human.Duration(l.P50Nano), human.Duration(l.P99Nano), human.Duration(l.P999Nano)
	}
	return row
}

// kneeMark says which point of a curve is its knee; "" for the others.
func kneeMark(c *report.Curve, p *report.CurvePoint) string {
	if c.Knee.Stage == p.Stage {
		return "knee"
	}
	return ""
}

// barWidth is how long the bar of the longest response time of a curve is.
const barWidth = 30

// p99Bar draws a response time, on a logarithmic scale from that of the shortest to that of the longest.
func p99Bar(c *report.Curve, p *report.CurvePoint) string {
	least, most := int64(math.MaxInt64), int64(1)
	for i := range c.Points {
		if l := c.Points[i].Response; l.Known() {
			least, most = min(least, max(l.P99Nano, 1)), max(most, l.P99Nano)
		}
	}
	if !p.Response.Known() {
		return ""
	}
	share := 1.0
	if most > least {
		share = math.Log(float64(max(p.Response.P99Nano, 1))/float64(least)) / math.Log(float64(most)/float64(least))
	}
	return strings.Repeat("▇", 1+int(math.Round(share*(barWidth-1))))
}
