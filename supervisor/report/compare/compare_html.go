package compare

import (
	"io"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/render"
	"bulkhead/supervisor/report/words"
)

// comparePage is what the page of a comparison draws.
type comparePage struct {
	Comparison *Comparison `json:"comparison"`
	// Rows are the figures in words, as text and Markdown have them.
	Rows  []compareRow   `json:"rows"`
	Runs  [][]string     `json:"runs"`
	Sides [2]compareSide `json:"sides"`
	// Stages are rows, as text and Markdown have them.
	Stages [][]string `json:"stages"`
}

type compareRow struct {
	Cells []string `json:"cells"`
	// A and B are what they are drawn from: mean and spread, in the figure's unit.
	A Sampled `json:"a"`
	B Sampled `json:"b"`
}

// compareSide is one run over time, from the interval in which the first byte was written
// to that of the last: so that two runs begin together, whenever their clients came.
type compareSide struct {
	Headline string `json:"headline"`
	Complete bool   `json:"complete"`
	// IntervalNano is the length of an interval; FromNano to ToNano is what is compared, since
	// the begin of the first one.
	IntervalNano   int64          `json:"interval_nano"`
	FromNano       int64          `json:"from_nano"`
	ToNano         int64          `json:"to_nano"`
	BytesPerSecond []uint64       `json:"bytes_per_second"`
	Latencies      []compareLines `json:"latencies"`
}

// compareLines is one kind of latency: percentiles over time, and how many of all values
// are how high.
type compareLines struct {
	Name     string  `json:"name"`
	P50Nano  []int64 `json:"p50_nano"`
	P99Nano  []int64 `json:"p99_nano"`
	P999Nano []int64 `json:"p999_nano"`
	MaxNano  []int64 `json:"max_nano"`
	// Distribution is that of the whole run.
	Distribution []report.Bin `json:"distribution"`
}

// HTML writes c, which is of a and b, as one page that needs nothing else, as that of a
// report. An error is w's.
func (c *Comparison) HTML(w io.Writer, a, b *report.Report) error {
	common := isComparable(a) && isComparable(b)
	page := &comparePage{Comparison: c, Rows: []compareRow{}, Runs: c.sides(), Stages: [][]string{},
		Sides: [2]compareSide{sideOf(a, common), sideOf(b, common)}}
	for i := range c.Figures {
		page.Rows = append(page.Rows, compareRow{c.Figures[i].cells(), c.Figures[i].A, c.Figures[i].B})
	}
	for i := range c.Stages {
		page.Stages = append(page.Stages, c.Stages[i].cells())
	}
	return render.WritePage(w, "compare.html", render.CompareEntry,
		"Bulkhead runs "+human.OrDash(a.Run.ID)+" and "+human.OrDash(b.Run.ID), page)
}

func sideOf(r *report.Report, common bool) compareSide {
	s := compareSide{Headline: words.Headline(r), Complete: r.Complete(), BytesPerSecond: []uint64{},
		Latencies: []compareLines{}}
	if r.Series == nil {
		return s
	}
	from, to := written(r.Series)
	s.IntervalNano = r.Series.IntervalNano
	for i := from; i < to; i++ {
		s.BytesPerSecond = append(s.BytesPerSecond,
			report.PerSecond(r.Series.Total.Bytes[i], r.SpanNano(i, s.IntervalNano)))
	}
	if w, _ := comparedWindow(r, common); w.To > w.From {
		s.FromNano, s.ToNano = int64(w.From-from)*s.IntervalNano, int64(w.To-from)*s.IntervalNano
	}
	t := &r.Series.Total
	add := func(name string, p50, p99, p999, highest []int64, distribution []report.Bin) {
		if len(distribution) > 0 {
			s.Latencies = append(s.Latencies,
				compareLines{name, p50[from:to], p99[from:to], p999[from:to], highest[from:to], distribution})
		}
	}
	add(report.PhaseNames[report.PhaseWrite], t.P50Nano, t.P99Nano, t.P999Nano, t.MaxNano, r.Series.Distribution)
	for i := range r.Series.Phases {
		p := &r.Series.Phases[i]
		add(p.Name, p.P50Nano, p.P99Nano, p.P999Nano, p.MaxNano, p.Distribution)
	}
	return s
}

// written returns the intervals from the first to the last in which something was written.
func written(s *report.Series) (from, to int) {
	for to = len(s.Total.Bytes); to > 0 && s.Total.Bytes[to-1] == 0; to-- {
	}
	for from < to && s.Total.Bytes[from] == 0 {
		from++
	}
	return from, to
}
