package report

import (
	"fmt"
	"io"
	"math"
	"strings"

	"gonum.org/v1/gonum/stat"
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
	// Whole is figures of the whole runs, which are not tested.
	Whole []Difference `json:"whole"`
	// Notes are what limits the comparison.
	Notes []string `json:"notes"`
	// Test says how significance was tested.
	Test string `json:"test"`
}

// Side is one of the two runs.
type Side struct {
	RunID     string `json:"run_id"`
	StartedAt Stamp  `json:"started_at"`
	Complete  bool   `json:"complete"`
	// Word is the verdict in one word.
	Word Word `json:"word"`
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

// Compare compares two runs.
func Compare(a, b *Report) *Comparison {
	c := &Comparison{Schema: ComparisonSchema, Configured: []Difference{}, Figures: []Compared{}, Notes: []string{}, Test: significanceText}
	windowA, windowB := c.side(&c.A, "A", a), c.side(&c.B, "B", b)
	for _, d := range configurations(a, b) {
		if d.A != d.B {
			c.Configured = append(c.Configured, Difference{d.Name, shorten(d.A, maxName), shorten(d.B, maxName)})
		}
	}
	for _, f := range intervalFigures() {
		inA, inB := f.values(a, windowA), f.values(b, windowB)
		if strings.Contains(f.name, " ") && len(inA)+len(inB) == 0 {
			continue // neither had a rate, or synced
		}
		c.Figures = append(c.Figures, f.compare(inA, inB))
	}
	c.Whole = wholes(a, b)
	if a.Series != nil && b.Series != nil && a.Series.IntervalNano != b.Series.IntervalNano {
		c.Notes = append(c.Notes, fmt.Sprintf("intervals are %s in A and %s in B: longer ones vary less and have higher extremes",
			human(a.Series.IntervalNano), human(b.Series.IntervalNano)))
	}
	c.summarize()
	return c
}

// side fills in one run and returns which of its intervals are compared.
func (c *Comparison) side(s *Side, name string, r *Report) steady {
	*s = Side{RunID: r.Run.ID, StartedAt: r.Run.StartedAt, Complete: r.Complete(), Word: r.Verdict.Word}
	if !s.Complete {
		c.Notes = append(c.Notes, fmt.Sprintf("%s is %s: %s", name, strings.ToLower(string(s.Word)), r.headline()))
	}
	w, what := r.comparedWindow()
	s.Window = what
	if w.to == w.from {
		c.Notes = append(c.Notes, fmt.Sprintf("%s cannot be compared by intervals: %s", name, what))
		return w
	}
	if w.variation > steadyVariation {
		c.Notes = append(c.Notes, fmt.Sprintf("%s was never steady; all intervals between its first and its last are compared", name))
	}
	return w
}

// comparedWindow returns the intervals of r to compare, and says which they are: those of
// its steady state, or else all whole ones between the first and the last in which
// something was written. Without a steady state variation is above every threshold.
func (r *Report) comparedWindow() (w steady, what string) {
	if r.Series == nil {
		return steady{}, "the report has no series"
	}
	rates := r.rates()
	step := r.Series.IntervalNano
	word := "steady, "
	if w, _ = steadyWindow(rates); w.to == 0 {
		word = ""
		for w.from < len(rates) && rates[w.from] == 0 {
			w.from++
		}
		w.to = len(rates)
		for w.to > w.from && rates[w.to-1] == 0 {
			w.to--
		}
		w.from, w.to, w.variation = w.from+1, w.to-1, math.Inf(1)
		if w.to <= w.from {
			return steady{}, "too little was written"
		}
	}
	return w, fmt.Sprintf("%s+%s … +%s, %s of %s", word, human(r.Series.OffsetNano+int64(w.from)*step), human(r.Series.OffsetNano+int64(w.to)*step),
		plural(uint64(w.to-w.from), "interval"), human(step))
}

// intervalFigure is a figure that has a value in each interval.
type intervalFigure struct {
	name, unit string
	of         func(*Series, int) float64 // below 0 for no value
}

func intervalFigures() []intervalFigure {
	latency := func(name string, list func(*TotalSeries) []int64) intervalFigure {
		return intervalFigure{name, "nano", func(s *Series, i int) float64 { return float64(list(&s.Total)[i]) }}
	}
	phase := func(name string, of phase, list func(*PhaseSeries) []int64) intervalFigure {
		return intervalFigure{name, "nano", func(s *Series, i int) float64 {
			p := s.phase(of)
			if p == nil {
				return -1
			}
			return float64(list(p)[i])
		}}
	}
	return []intervalFigure{
		{"throughput", "bytes_per_second", func(s *Series, i int) float64 {
			return float64(s.Total.Bytes[i]) / float64(s.IntervalNano) * 1e9
		}},
		latency("p50", func(t *TotalSeries) []int64 { return t.P50Nano }),
		latency("p99", func(t *TotalSeries) []int64 { return t.P99Nano }),
		latency("p999", func(t *TotalSeries) []int64 { return t.P999Nano }),
		latency("max", func(t *TotalSeries) []int64 { return t.MaxNano }),
		phase("response p50", phaseResponse, func(s *PhaseSeries) []int64 { return s.P50Nano }),
		phase("response p99", phaseResponse, func(s *PhaseSeries) []int64 { return s.P99Nano }),
		phase("sync p50", phaseSync, func(s *PhaseSeries) []int64 { return s.P50Nano }),
		phase("sync p99", phaseSync, func(s *PhaseSeries) []int64 { return s.P99Nano }),
	}
}

// phase returns the series of a phase, or nil if nothing of it was recorded.
func (s *Series) phase(of phase) *PhaseSeries {
	for i := range s.Phases {
		if s.Phases[i].Name == phaseNames[of] {
			return &s.Phases[i]
		}
	}
	return nil
}

// values returns the values in a window; the logarithms of latencies.
func (f intervalFigure) values(r *Report, w steady) []float64 {
	var list []float64
	for i := w.from; i < w.to; i++ {
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
		c.Summary += "; but " + plural(uint64(len(c.Configured)), "setting") + " differ"
		if len(c.Configured) == 1 {
			c.Summary += "s"
		}
	}
}

// wholes returns figures of the whole runs, those that at least one of them has.
func wholes(a, b *Report) []Difference {
	var list []Difference
	for _, f := range figures() {
		if f.of == nil {
			continue
		}
		d := Difference{Name: f.name, A: none, B: none}
		x, inA := f.of(a)
		if inA {
			d.A = f.unit.print(x)
		}
		y, inB := f.of(b)
		if inB {
			d.B = f.unit.print(y)
		}
		if inA || inB {
			list = append(list, d)
		}
	}
	return list
}

// JSON writes c as JSON. An error is w's.
func (c *Comparison) JSON(w io.Writer) error { return writeJSON(w, c) }
