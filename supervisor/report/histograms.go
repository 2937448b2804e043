package report

import (
	"time"

	"bulkhead/internal/latency"
)

// room is how many more buckets the processes of one client may fill.
type room struct{ left int }

// distribution is a histogram that grows only as far as there is room.
type distribution struct {
	histogram latency.Histogram
	leftOut   uint64 // values not recorded for want of room
}

// merge adds h if its buckets are sure to fit, and else counts its values as left
// out.
func (d *distribution) merge(h *latency.Histogram, r *room) {
	if h.Buckets() > r.left {
		d.leftOut += h.Count()
		return
	}
	before := d.histogram.Buckets()
	d.histogram.Merge(h)
	r.left -= d.histogram.Buckets() - before
}

// add records one duration, in nanoseconds, if there is room.
func (d *distribution) add(nano int64, r *room) {
	if r.left == 0 {
		d.leftOut++
		return
	}
	before := d.histogram.Buckets()
	d.histogram.Add(time.Duration(nano), 1)
	r.left -= d.histogram.Buckets() - before
}

func (d *distribution) latency() Latency {
	l := latencyOf(&d.histogram)
	l.LeftOut = d.leftOut
	return l
}

// latencyOf sums up h.
func latencyOf(h *latency.Histogram) Latency {
	return Latency{
		Count:    h.Count(),
		MinNano:  int64(h.Min()),
		MeanNano: int64(h.Mean()),
		P50Nano:  int64(h.Quantile(0.5)),
		P90Nano:  int64(h.Quantile(0.9)),
		P99Nano:  int64(h.Quantile(0.99)),
		P999Nano: int64(h.Quantile(0.999)),
		MaxNano:  int64(h.Max()),
	}
}
