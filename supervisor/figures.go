package supervisor

import (
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/web"
)

// latenciesOf is the sketch in seconds, with a bound for each doubling of 1 µs.
func latenciesOf(s *raw.Sketch) web.Latencies {
	l := web.Latencies{Buckets: make(map[float64]uint64), Count: s.Count, Sum: float64(s.Sum) / 1e9}
	var seen uint64
	for i := range raw.SketchBuckets {
		if s.Counts != nil {
			seen = raw.Saturate(seen, s.Counts[i])
		}
		// Buckets end where a doubling of 1024 ns does.
		if end := raw.SketchBound(i) + 1; end >= 1<<10 && end <= raw.MaxBound && end&(end-1) == 0 {
			l.Buckets[float64(end)/1e9] = seen
		}
	}
	return l
}

// writesStatus is a session's or a run's chunk writes, as status shows them.
func writesStatus(whole, recent *raw.Sketch) *bulkheadv1.ChunkWrites {
	return &bulkheadv1.ChunkWrites{
		Count: whole.Count, SumNano: whole.Sum,
		P50Nano: whole.Quantile(0.5), P99Nano: whole.Quantile(0.99), P999Nano: whole.Quantile(0.999), MaxNano: int64(whole.Max),
		RecentP50Nano: recent.Quantile(0.5), RecentP99Nano: recent.Quantile(0.99), RecentMaxNano: int64(recent.Max),
	}
}
