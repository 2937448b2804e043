package compare

import (
	"fmt"
	"io"
	"math"
	"strings"

	"gonum.org/v1/gonum/stat"

	"bulkhead/internal/human"
	"bulkhead/internal/plaintext"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/words"
)

// ComparisonSchema names the form of the JSON of a Comparison, as Schema of a Report.
const ComparisonSchema = "bulkhead.comparison/1"

// Comparison is two runs side by side.
type Comparison struct {
	Schema string `json:"schema"`
	// Summary names what is significantly different, or says that nothing is.
	Summary string `json:"summary"`
	A       Side   `json:"a"`
	B       Side   `json:"b"`
	// Configured is what was configured differently: where it explains a difference, the
	// figures say nothing else.
	Configured []Difference `json:"configured"`
	// Figures are compared by their values in intervals.
	Figures []Compared `json:"figures"`
	// Stages are those of both runs, by their names.
	Stages []Staged `json:"stages"`
	// Whole is figures of the whole runs, which are not tested.
	Whole []Difference `json:"whole"`
	// Notes are what limits the comparison.
	Notes []string `json:"notes"`
	// Test says how significance was tested.
	Test string `json:"test"`
}

// Side is one of the two runs.
type Side struct {
	RunID     string       `json:"run_id"`
	StartedAt report.Stamp `json:"started_at"`
	Complete  bool         `json:"complete"`
	// Word is the verdict in one word.
	Word report.Word `json:"word"`
	// Window says which intervals are compared.
	Window string `json:"window"`
}

// Difference is a value of both runs in words.
type Difference struct {
	Name string `json:"name"`
	A    string `json:"a"`
	B    string `json:"b"`
}

// Compared is a figure of which both runs have a value for each interval.
type Compared struct {
	Name string `json:"name"`
	// Unit is "bytes_per_second" or "nano".
	Unit string  `json:"unit"`
	A    Sampled `json:"a"`
	B    Sampled `json:"b"`
	// ChangePercent is from A's mean to B's; 0 if either has no value.
	ChangePercent float64 `json:"change_percent"`
	// P is the probability that the difference is chance; null if it could not be tested.
	P *float64 `json:"p"`
	// Significant says that it is no chance, and large enough to matter; Better then that B
	// is the better one.
	Significant bool `json:"significant"`
	Better      bool `json:"better"`
}

// Sampled sums up the values of a figure in the intervals of a run. Mean is the geometric
// mean for latencies. Deviation is the standard deviation. Low and High are one standard
// deviation to either side of the mean, for latencies of their logarithms: as the test has it.
type Sampled struct {
	Intervals int     `json:"intervals"`
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"`
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
}

// Reports compares two runs.
func Reports(a, b *report.Report) *Comparison {
	c := &Comparison{Schema: ComparisonSchema, Configured: []Difference{}, Figures: []Compared{}, Notes: []string{},
		Test: significanceText}
	common := isComparable(a) && isComparable(b)
	windowA, windowB := c.side(&c.A, "A", a, common), c.side(&c.B, "B", b, common)
	for _, d := range configurations(a, b) {
		if d.A != d.B {
			c.Configured = append(c.Configured,
				Difference{d.Name, human.Shorten(d.A, plaintext.MaxName), human.Shorten(d.B, plaintext.MaxName)})
		}
	}
	for _, f := range intervalFigures() {
		inA, inB := f.values(a, windowA), f.values(b, windowB)
		if f.optional && len(inA)+len(inB) == 0 {
			continue // neither had a rate, or synced
		}
		c.Figures = append(c.Figures, f.compare(inA, inB))
	}
	c.Stages = stagesOf(a, b)
	c.Whole = append(wholes(a, b), commons(a, b)...)
	if a.Series != nil && b.Series != nil && a.Series.IntervalNano != b.Series.IntervalNano {
		c.Notes = append(c.Notes,
			fmt.Sprintf("intervals are %s in A and %s in B: longer ones vary less and have higher extremes",
				human.Duration(a.Series.IntervalNano), human.Duration(b.Series.IntervalNano)))
	}
	c.summarize()
	return c
}

// side fills in one run and returns which of its intervals are compared.
func (c *Comparison) side(s *Side, name string, r *report.Report, common bool) judge.Steady {
	*s = Side{RunID: r.Run.ID, StartedAt: r.Run.StartedAt, Complete: r.Complete(), Word: r.Verdict.Word}
	if !s.Complete {
		c.Notes = append(c.Notes, fmt.Sprintf("%s is %s: %s", name, strings.ToLower(string(s.Word)), words.Headline(r)))
	}
	w, what := comparedWindow(r, common)
	s.Window = what
	if w.To == w.From {
		c.Notes = append(c.Notes, fmt.Sprintf("%s cannot be compared by intervals: %s", name, what))
		return w
	}
	if w.Variation > judge.SteadyVariation {
		c.Notes = append(c.Notes,
			fmt.Sprintf("%s was never steady; all intervals between its first and its last are compared", name))
	}
	return w
}

// comparedWindow returns the intervals of r to compare, and says which they are: those of
// its steady state, or else all whole ones between the first and the last in which
// something was written; all that of the common window alone, if common. Without a steady state
// variation is above every threshold.
func comparedWindow(r *report.Report, common bool) (w judge.Steady, what string) {
	if r.Series == nil {
		return judge.Steady{}, "the report has no series"
	}
	rates := r.Rates()
	step := r.Series.IntervalNano
	word := "steady, "
	before := ""
	if common {
		before = "common window, "
		rates = inCommon(r, rates)
	}
	if w, _ = judge.SteadyWindow(rates); w.To == 0 {
		word = ""
		for w.From < len(rates) && rates[w.From] == 0 {
			w.From++
		}
		w.To = len(rates)
		for w.To > w.From && rates[w.To-1] == 0 {
			w.To--
		}
		w.From, w.To, w.Variation = w.From+1, w.To-1, math.Inf(1)
		if w.To <= w.From {
			return judge.Steady{}, "too little was written"
		}
	}
	return w, fmt.Sprintf("%s+%s … +%s, %s of %s", before+word, human.Duration(r.Series.OffsetNano+int64(w.From)*step),
		human.Duration(r.Series.OffsetNano+int64(w.To)*step),
		words.Plural(uint64(w.To-w.From), "interval"), human.Duration(step))
}

// intervalFigure is a figure that has a value in each interval.
type intervalFigure struct {
	name, unit string
	optional   bool                              // left out where neither run has it: without a rate, or a sync
	of         func(*report.Series, int) float64 // below 0 for no value
}

func intervalFigures() []intervalFigure {
	latency := func(name string, list func(*report.TotalSeries) []int64) intervalFigure {
		return intervalFigure{name: name,
			unit: "nano", of: func(s *report.Series, i int) float64 { return float64(list(&s.Total)[i]) }}
	}
	phase := func(name string, of report.Phase, list func(*report.PhaseSeries) []int64) intervalFigure {
		return intervalFigure{name: name, unit: "nano", optional: true, of: func(s *report.Series, i int) float64 {
			p := Phase(s, of)
			if p == nil {
				return -1
			}
			return float64(list(p)[i])
		}}
	}
	return []intervalFigure{
		{name: "throughput", unit: "bytes_per_second", of: func(s *report.Series, i int) float64 {
			return float64(s.Total.Bytes[i]) / float64(s.IntervalNano) * 1e9
		}},
		latency("p50", func(t *report.TotalSeries) []int64 { return t.P50Nano }),
		latency("p99", func(t *report.TotalSeries) []int64 { return t.P99Nano }),
		latency("p999", func(t *report.TotalSeries) []int64 { return t.P999Nano }),
		latency("max", func(t *report.TotalSeries) []int64 { return t.MaxNano }),
		phase("response p50", report.PhaseResponse, func(s *report.PhaseSeries) []int64 { return s.P50Nano }),
		phase("response p99", report.PhaseResponse, func(s *report.PhaseSeries) []int64 { return s.P99Nano }),
		phase("sync p50", report.PhaseSync, func(s *report.PhaseSeries) []int64 { return s.P50Nano }),
		phase("sync p99", report.PhaseSync, func(s *report.PhaseSeries) []int64 { return s.P99Nano }),
	}
}

// Phase returns the series of a phase, or nil if nothing of it was recorded.
func Phase(s *report.Series, of report.Phase) *report.PhaseSeries {
	for i := range s.Phases {
		if s.Phases[i].Name == report.PhaseNames[of] {
			return &s.Phases[i]
		}
	}
	return nil
}

// values returns the values in a window; the logarithms of latencies.
func (f intervalFigure) values(r *report.Report, w judge.Steady) []float64 {
	var list []float64
	for i := w.From; i < w.To; i++ {
		x := f.of(r.Series, i)
		switch {
		case x < 0:
		case f.unit == "nano":
			list = append(list, math.Log(max(x, 1)))
		default:
			list = append(list, x)
		}
	}
	return list
}

func (f intervalFigure) compare(a, b []float64) Compared {
	c := Compared{Name: f.name, Unit: f.unit, A: f.sum(a), B: f.sum(b)}
	if c.A.Mean <= 0 || c.B.Mean <= 0 {
		return c
	}
	change := c.B.Mean/c.A.Mean - 1
	c.ChangePercent = math.Round(1000*change) / 10
	p := welch(a, b)
	if math.IsNaN(p) {
		return c
	}
	c.P = &p
	c.Significant = p < significantP && math.Abs(change) >= significantChange
	c.Better = c.Significant && (change > 0) == (f.unit != "nano")
	return c
}

func (f intervalFigure) sum(list []float64) Sampled {
	s := Sampled{Intervals: len(list)}
	if len(list) == 0 {
		return s
	}
	mean, deviation := list[0], 0.0
	if len(list) > 1 {
		mean, deviation = stat.MeanStdDev(list, nil)
	}
	s.Mean, s.Deviation, s.Low, s.High = mean, deviation, max(mean-deviation, 0), mean+deviation
	if f.unit == "nano" {
		linear := make([]float64, len(list))
		for i, x := range list {
			linear[i] = math.Exp(x)
		}
		s.Mean, s.Low, s.High = math.Exp(mean), math.Exp(mean-deviation), math.Exp(mean+deviation)
		if len(list) > 1 {
			s.Deviation = stat.StdDev(linear, nil)
		}
	}
	for _, x := range []*float64{&s.Mean, &s.Deviation, &s.Low, &s.High} {
		*x = math.Round(*x)
	}
	return s
}

// summarize names what is significant.
func (c *Comparison) summarize() {
	var significant []string
	tested := false
	for _, f := range c.Figures {
		tested = tested || f.P != nil
		if !f.Significant {
			continue
		}
		word := "worse"
		if f.Better {
			word = "better"
		}
		significant = append(significant, fmt.Sprintf("%s %+.1f %% (%s)", f.Name, f.ChangePercent, word))
	}
	switch {
	case !tested:
		c.Summary = "the runs are too short to tell a difference from chance"
	case len(significant) == 0:
		c.Summary = "no significant difference"
	default:
		c.Summary = "significantly different in B: " + strings.Join(significant, ", ")
	}
	if len(c.Configured) > 0 {
		c.Summary += "; but " + words.Plural(uint64(len(c.Configured)), "setting") + " differ"
		if len(c.Configured) == 1 {
			c.Summary += "s"
		}
	}
}

// wholes returns figures of the whole runs, those that at least one of them has.
func wholes(a, b *report.Report) []Difference {
	var list []Difference
	for _, f := range judge.Figures() {
		if f.Of == nil || f.Common { // which commons has, of two runs that have one
			continue
		}
		d := Difference{Name: f.Name, A: human.None, B: human.None}
		x, inA := f.Of(a)
		if inA {
			d.A = f.Unit.Print(x)
		}
		y, inB := f.Of(b)
		if inB {
			d.B = f.Unit.Print(y)
		}
		if inA || inB {
			list = append(list, d)
		}
	}
	return list
}

// JSON writes c as JSON. An error is w's.
func (c *Comparison) JSON(w io.Writer) error { return report.WriteJSON(w, c) }
