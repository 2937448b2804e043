package fold

import (
	"time"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// rooms shares the memory for histograms among the clients of a run.
//
// Each client has an equal share. While its histograms fit into it, they are of full
// precision; then all of them are made compact, which a compact one never undoes: so which
// clients are compact depends on how many there are and on what they said, and not on
// the order in which it was folded.
type rooms struct {
	clients int
	// union is the latencies, in full precision, of compact clients.
	union [report.PhaseCount]latency.Histogram
}

// room is one client's share.
type room struct {
	*rooms
	compact bool
	used    int // buckets
}

func (r *room) full() bool {
	if r.compact {
		return r.used > report.MaxCompactBuckets/r.clients
	}
	return r.used > report.MaxFineBuckets/r.clients
}

// distribution is a histogram that lives in a client's room.
type distribution struct {
	fine    latency.Histogram
	compact *latency.Compact // instead of fine, if the client is compact
	leftOut uint64           // values not recorded for want of room
}

// merge adds h, or counts its values as left out if the room is full already.
func (d *distribution) merge(h *latency.Histogram, r *room) {
	if !r.compact {
		before := d.fine.Buckets()
		d.fine.Merge(h)
		r.used += d.fine.Buckets() - before
		return
	}
	if r.full() {
		d.leftOut += h.Count()
		return
	}
	d.mergeCompact(h, r)
}

func (d *distribution) mergeCompact(h *latency.Histogram, r *room) {
	if h.Count() == 0 {
		return
	}
	if d.compact == nil {
		d.compact = new(latency.Compact)
	}
	before := d.compact.Buckets()
	d.compact.MergeHistogram(h)
	r.used += d.compact.Buckets() - before
}

// mergeOwn merges a histogram of the client itself, which is never left out: it
// has a few thousand buckets at most.
func (d *distribution) mergeOwn(h *latency.Histogram, of report.Phase, r *room) {
	if !r.compact {
		d.merge(h, r)
		return
	}
	d.mergeCompact(h, r)
	r.union[of].Merge(h)
}

// add records one duration, in nanoseconds, if there is room.
func (d *distribution) add(nano int64, r *room) {
	switch {
	case !r.compact:
		before := d.fine.Buckets()
		d.fine.Add(time.Duration(nano), 1)
		r.used += d.fine.Buckets() - before
	case r.full():
		d.leftOut++
	default:
		if d.compact == nil {
			d.compact = new(latency.Compact)
		}
		before := d.compact.Buckets()
		d.compact.Add(time.Duration(nano), 1)
		r.used += d.compact.Buckets() - before
	}
}

// shrink makes d compact.
func (d *distribution) shrink(r *room) {
	fine := d.fine
	d.fine = latency.Histogram{}
	d.mergeCompact(&fine, r)
}

func (d *distribution) latency() report.Latency {
	l := latencyOf(&d.fine)
	if d.compact != nil {
		l = latencyOf(d.compact)
	}
	l.LeftOut = d.leftOut
	return l
}

// tighten makes the client's histograms compact if they have outgrown their room, and lets
// go of the rollovers and corruptions beyond what a client of so many may list.
func (s *sessionState) tighten() {
	s.rollovers.cut(min(report.MaxRollovers, max(report.MaxRunRollovers/s.room.clients, 1)))
	s.corruptions.cut(min(report.MaxCorruptions, max(report.MaxRunCorruptions/s.room.clients, 1)))
	if s.room.compact || !s.room.full() {
		return
	}
	s.room.compact, s.room.used = true, 0
	for of := range report.PhaseCount {
		s.room.union[of].Merge(&s.latencies[of].fine)
		s.latencies[of].shrink(&s.room)
	}
	for _, list := range s.processes {
		for _, p := range list {
			for of := range report.PhaseCount {
				p.latencies[of].shrink(&s.room)
			}
			for _, d := range []*distribution{&p.create, &p.write, &p.sync, &p.closed} {
				d.shrink(&s.room)
			}
		}
	}
}

// recorded is a histogram of either kind.
type recorded interface {
	Count() uint64
	Min() time.Duration
	Mean() time.Duration
	Quantile(q float64) time.Duration
	Max() time.Duration
}

// latencyOf sums up h.
func latencyOf(h recorded) report.Latency {
	return report.Latency{
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

// latenciesOf returns the latencies that a Progress message holds, or false if one of
// them cannot be.
func latenciesOf(p *bulkheadv1.Progress) (list [report.PhaseCount]*latency.Histogram, ok bool) {
	for i, sent := range [report.PhaseCount]*bulkheadv1.Histogram{p.GetChunkWrite(), p.GetResponse(), p.GetCreate(),
		p.GetSync(), p.GetClose(), p.GetUnlink(), p.GetRead(), p.GetReadResponse()} {
		h, err := latency.FromProto(sent)
		if err != nil || !saneAmounts(h.Count()) {
			return list, false
		}
		list[i] = h
	}
	return list, true
}
