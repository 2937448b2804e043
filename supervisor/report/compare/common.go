package compare

import (
	"slices"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// commonLeast is how many whole intervals a common window has for its run to be compared by it alone.
const commonLeast = 10

// isComparable reports whether the common window of a run of several clients is long enough for it.
func isComparable(r *report.Report) bool {
	w := r.CommonWindow
	return r.Series != nil && w.Told() && w.Intervals >= commonLeast && w.IntervalNano == r.Series.IntervalNano
}

// inCommon returns rates with nothing outside the common window.
func inCommon(r *report.Report, rates []float64) []float64 {
	list := slices.Clone(rates)
	for i := range list {
		if !r.CommonWindow.Holds(r.Series.StartAt+report.Stamp(int64(i)*r.Series.IntervalNano), r.Series.IntervalNano) {
			list[i] = 0
		}
	}
	return list
}

// commons returns the figures of the common windows of two runs that both have one.
func commons(a, b *report.Report) []Difference {
	x, y := a.CommonWindow, b.CommonWindow
	if !x.Told() || !y.Told() || x.Intervals == 0 || y.Intervals == 0 {
		return nil
	}
	list := []Difference{
		{"common window", human.Duration(x.LengthNano), human.Duration(y.LengthNano)},
		{"common throughput", human.Megabytes(x.BytesPerSecond) + " MB/s", human.Megabytes(y.BytesPerSecond) + " MB/s"},
	}
	for _, one := range []struct {
		name string
		of   func(*report.Latency) int64
	}{
		{"common p50", func(l *report.Latency) int64 { return l.P50Nano }},
		{"common p99", func(l *report.Latency) int64 { return l.P99Nano }},
		{"common p999", func(l *report.Latency) int64 { return l.P999Nano }},
		{"common max", func(l *report.Latency) int64 { return l.MaxNano }},
	} {
		list = append(list, Difference{one.name, known(&x.ChunkWrite, one.of), known(&y.ChunkWrite, one.of)})
	}
	return list
}

func known(l *report.Latency, of func(*report.Latency) int64) string {
	if !l.Known() {
		return human.None
	}
	return human.Duration(of(l))
}
