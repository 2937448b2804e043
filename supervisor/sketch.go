package supervisor

import (
	"math"
	"math/bits"

	"google.golang.org/protobuf/encoding/protowire"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/web"
)

// Field numbers of Histogram.
const (
	histogramDeltas protowire.Number = 1
	histogramCounts protowire.Number = 2
	histogramMax    protowire.Number = 4
	histogramSum    protowire.Number = 5
)

const (
	// sketchSub is how many buckets a sketch has for each doubling of the value: the
	// upper bound of a bucket is at most 1/16 above any value in it.
	sketchSub = 16
	// sketchBuckets reach to 2^40 ns, 18 minutes; what is longer counts as that.
	sketchBuckets = sketchSub * 37
)

// sketch is a histogram of latencies in ns, small enough to have a few of them for
// every session: status shows it. The report has its own, which is finer.
type sketch struct {
	counts   *[sketchBuckets]uint64 // nil as long as nothing was counted
	count    uint64
	sum, max uint64 // exact as sent; sum saturates
}

// sketchBucket is the bucket of a value.
func sketchBucket(v uint64) int {
	if v < sketchSub {
		return int(v)
	}
	shift := bits.Len64(v) - 5
	return min(shift*sketchSub+int(v>>shift), sketchBuckets-1)
}

// sketchBound is the largest value of a bucket.
func sketchBound(bucket int) uint64 {
	if bucket < 2*sketchSub {
		return uint64(bucket)
	}
	shift := bucket/sketchSub - 1
	return uint64(bucket-shift*sketchSub+1)<<shift - 1
}

// merge adds an encoded Histogram. What does not make sense in it is left out: the
// report says so.
func (s *sketch) merge(h sketched) {
	if s.counts == nil {
		s.counts = new([sketchBuckets]uint64)
	}
	var value uint64
	for deltas, counts := h.deltas, h.counts; len(deltas) > 0 && len(counts) > 0; {
		delta, size := protowire.ConsumeVarint(deltas)
		if size < 0 {
			return
		}
		deltas = deltas[size:]
		count, size := protowire.ConsumeVarint(counts)
		if size < 0 || value > math.MaxInt64-min(delta, math.MaxInt64) {
			return
		}
		counts = counts[size:]
		value += delta
		at := &s.counts[sketchBucket(value)]
		*at = saturate(*at, count)
		s.count = saturate(s.count, count)
	}
	s.sum = saturate(s.sum, h.sum)
	s.max = max(s.max, min(h.max, math.MaxInt64))
}

// add adds another sketch.
func (s *sketch) add(o *sketch) {
	if o.counts == nil {
		return
	}
	if s.counts == nil {
		s.counts = new([sketchBuckets]uint64)
	}
	for i, n := range o.counts {
		s.counts[i] = saturate(s.counts[i], n)
	}
	s.count, s.sum, s.max = saturate(s.count, o.count), saturate(s.sum, o.sum), max(s.max, o.max)
}

// clear forgets everything and keeps the memory.
func (s *sketch) clear() {
	if s.counts != nil {
		clear(s.counts[:])
	}
	s.count, s.sum, s.max = 0, 0, 0
}

// quantile is the latency in ns that a share q (0 to 1) of all did not exceed, at
// most 1/16 too long; 0 for an empty sketch.
func (s *sketch) quantile(q float64) int64 {
	if s.count == 0 {
		return 0
	}
	rank := max(uint64(math.Ceil(q*float64(s.count))), 1)
	var seen uint64
	for i, n := range s.counts {
		if seen = saturate(seen, n); seen >= rank {
			return int64(min(sketchBound(i), s.max))
		}
	}
	return int64(s.max)
}

// latencies is the sketch in seconds, with a bound for each doubling of 1 µs.
func (s *sketch) latencies() web.Latencies {
	l := web.Latencies{Buckets: make(map[float64]uint64), Count: s.count, Sum: float64(s.sum) / 1e9}
	var seen uint64
	for i := range sketchBuckets {
		if s.counts != nil {
			seen = saturate(seen, s.counts[i])
		}
		// Buckets end where a doubling of 1024 ns does.
		if end := sketchBound(i) + 1; end >= 1<<10 && end <= maxBound && end&(end-1) == 0 {
			l.Buckets[float64(end)/1e9] = seen
		}
	}
	return l
}

// maxBound is the largest bound in ns of latencies: 69 s.
const maxBound = 1 << 36

// recentSketch is the latencies of the last rateWindow seconds.
type recentSketch struct {
	seconds [rateWindow]sketch
	at      int
}

// now is the sketch of this second.
func (r *recentSketch) now() *sketch { return &r.seconds[r.at] }

// tick begins the next second.
func (r *recentSketch) tick() {
	r.at = (r.at + 1) % rateWindow
	r.now().clear()
}

func (r *recentSketch) addTo(s *sketch) {
	for i := range r.seconds {
		s.add(&r.seconds[i])
	}
}

// sketched is an encoded Histogram, taken apart.
type sketched struct {
	deltas, counts []byte // packed varints
	max, sum       uint64
}

// chunkWrites calls visit with the chunk-write latencies in an encoded Batch that scan
// has accepted. It keeps nothing and allocates nothing for a message.
func chunkWrites(batch []byte, visit func(sketched)) {
	_ = fields(batch, func(n protowire.Number, _ uint64, b []byte) error { // an error is scan's to find
		if n != batchMessages || b == nil {
			return nil
		}
		m, err := scanMessage(b)
		if err != nil {
			return err
		}
		return fields(m.progress, func(n protowire.Number, _ uint64, b []byte) error {
			if n != progressWrites || len(b) == 0 {
				return nil
			}
			var h sketched
			err := fields(b, func(n protowire.Number, v uint64, b []byte) error {
				switch n {
				case histogramDeltas:
					h.deltas = b
				case histogramCounts:
					h.counts = b
				case histogramMax:
					h.max = v
				case histogramSum:
					h.sum = v
				}
				return nil
			})
			if err == nil {
				visit(h)
			}
			return err
		})
	})
}

// saturate is a + b, or the largest number.
func saturate(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry > 0 {
		return math.MaxUint64
	}
	return sum
}

// writesStatus is a session's or a run's chunk writes, as status shows them.
func writesStatus(whole, recent *sketch) *bulkheadv1.ChunkWrites {
	return &bulkheadv1.ChunkWrites{
		Count: whole.count, SumNano: whole.sum,
		P50Nano: whole.quantile(0.5), P99Nano: whole.quantile(0.99), P999Nano: whole.quantile(0.999), MaxNano: int64(whole.max),
		RecentP50Nano: recent.quantile(0.5), RecentP99Nano: recent.quantile(0.99), RecentMaxNano: int64(recent.max),
	}
}
