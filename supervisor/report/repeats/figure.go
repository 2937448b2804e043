package repeats

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"bulkhead/supervisor/report"
)

// The units of figures.
const (
	perSecond = "bytes_per_second"
	nano      = "nano"
	count     = "count"
)

// figure is one that a run can have.
type figure struct {
	name, unit string
	tested     bool // whether a run can be unlike the others in it
	of         func(*report.Report) (float64, bool)
}

// figures returns all figures, in the order in which they are shown.
func figures() []figure {
	list := []figure{{"throughput", perSecond, true, func(r *report.Report) (float64, bool) {
		return float64(r.Totals.BytesPerSecond), r.Totals.Bytes > 0
	}}}
	list = append(list, latencies("", func(r *report.Report) *report.Latency { return &r.Totals.ChunkWrite })...)
	list = append(list, latencies("response ", func(r *report.Report) *report.Latency { return r.Totals.Response })...)
	list = append(list, figure{"common throughput", perSecond, true, func(r *report.Report) (float64, bool) {
		w := common(r)
		if w == nil {
			return 0, false
		}
		return float64(w.BytesPerSecond), true
	}})
	list = append(list, latencies("common ", func(r *report.Report) *report.Latency {
		w := common(r)
		if w == nil {
			return nil
		}
		return &w.ChunkWrite
	})...)
	list = append(list, figure{"read throughput", perSecond, true, func(r *report.Report) (float64, bool) {
		if r.Totals.Reads == nil {
			return 0, false
		}
		return float64(r.Totals.Reads.BytesPerSecond), r.Totals.Reads.Bytes > 0
	}})
	list = append(list, latencies("read ", func(r *report.Report) *report.Latency {
		if r.Totals.Reads == nil {
			return nil
		}
		return &r.Totals.Reads.Latency
	})...)
	return append(list,
		figure{"start spread", nano, false, func(r *report.Report) (float64, bool) {
			w := r.CommonWindow
			if w == nil || w.Clients < 2 {
				return 0, false
			}
			return float64(w.StartSpreadNano), true
		}},
		figure{"errors", count, false, func(r *report.Report) (float64, bool) {
			return float64(r.Totals.Errors), true
		}})
}

// common returns the common window of a run, if it has figures.
func common(r *report.Report) *report.CommonWindow {
	if w := r.CommonWindow; w.Told() && w.Intervals > 0 {
		return w
	}
	return nil
}

func latencies(prefix string, of func(*report.Report) *report.Latency) []figure {
	one := func(name string, tested bool, value func(*report.Latency) int64) figure {
		return figure{prefix + name, nano, tested, func(r *report.Report) (float64, bool) {
			l := of(r)
			if !l.Known() {
				return 0, false
			}
			return float64(value(l)), true
		}}
	}
	return []figure{
		one("p50", true, func(l *report.Latency) int64 { return l.P50Nano }),
		one("p99", true, func(l *report.Latency) int64 { return l.P99Nano }),
		one("p999", false, func(l *report.Latency) int64 { return l.P999Nano }),
	}
}

// figure sums up a figure that of returns of each run; any is false if no run has it.
func (s *Summary) figure(f figure, of func(*Run) value) (one Figure, any bool) {
	one = Figure{Name: f.name, Unit: f.unit, Values: make([]*float64, len(s.Runs)), Outliers: []uint32{}}
	var have []int // the runs that are compared, and have it
	for i, run := range s.Runs {
		v := of(&run)
		if !v.known {
			continue
		}
		any = true
		one.Values[i] = &v.is
		if run.Compared {
			have = append(have, i)
		}
	}
	if one.Runs = len(have); one.Runs == 0 {
		return one, any
	}
	values := make([]float64, len(have))
	for n, i := range have {
		x := *one.Values[i]
		values[n] = x
		if n == 0 || x < one.Least {
			one.Least, one.LeastRun = x, s.Runs[i].Number
		}
		if n == 0 || x > one.Most {
			one.Most, one.MostRun = x, s.Runs[i].Number
		}
	}
	one.Median = median(values)
	if mean, deviation := stat.MeanStdDev(values, nil); len(values) > 1 && mean > 0 {
		percent := math.Round(1000*deviation/mean) / 10
		one.VariationPercent = &percent
	}
	if !f.tested {
		return one, any
	}
	for n, unlike := range outliers(values) {
		if unlike {
			run := &s.Runs[have[n]]
			one.Outliers = append(one.Outliers, run.Number)
			run.Outlier = append(run.Outlier, f.name)
		}
	}
	return one, any
}

// median returns the one in the middle, or the mean of the two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

const (
	// leastToTell is how many runs there must be for one to be called unlike the others.
	leastToTell = 4
	// unlikeScore is the modified z-score beyond which one is, and unlikeLeast how far from the median
	// it must be besides, in parts of that: runs that hardly differ are alike.
	unlikeScore = 3.5
	unlikeLeast = 0.1
)

// testText says how outliers are found.
var testText = fmt.Sprintf("a run is unlike the others in a figure that is further from the median than %g %% of it "+
	"and than %g times the median of all such distances over 0.6745, of at least %d runs", 100*unlikeLeast,
	unlikeScore, leastToTell)

// outliers says of each value whether it is unlike the others: by the modified z-score of Iglewicz and
// Hoaglin, which one or two wild values do not change.
func outliers(values []float64) []bool {
	out := make([]bool, len(values))
	if len(values) < leastToTell {
		return out
	}
	middle := median(values)
	distances := make([]float64, len(values))
	for i, x := range values {
		distances[i] = math.Abs(x - middle)
	}
	scale := median(distances) / 0.6745
	for i, d := range distances {
		out[i] = d > unlikeScore*scale && d > unlikeLeast*middle
	}
	return out
}
