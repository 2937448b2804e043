package raw

import (
	"math"
	"math/bits"

	"google.golang.org/protobuf/encoding/protowire"
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
	// SketchBuckets reach to 2^40 ns, 18 minutes; what is longer counts as that.
	SketchBuckets = sketchSub * 37
)

// Sketch is a histogram of latencies in ns, small enough to have a few of them for
// every session: status shows it. The report has its own, which is finer.
type Sketch struct {
	Counts   *[SketchBuckets]uint64 // nil as long as nothing was counted
	Count    uint64
	Sum, Max uint64 // exact as sent; sum saturates
}

// sketchBucket is the bucket of a value.
func sketchBucket(v uint64) int {
	if v < sketchSub {
		return int(v)
	}
	shift := bits.Len64(v) - 5
	return min(shift*sketchSub+int(v>>shift), SketchBuckets-1)
}

// SketchBound is the largest value of a bucket.
func SketchBound(bucket int) uint64 {
	if bucket < 2*sketchSub {
		return uint64(bucket)
	}
	shift := bucket/sketchSub - 1
	return uint64(bucket-shift*sketchSub+1)<<shift - 1
}

// Merge adds an encoded Histogram. What does not make sense in it is left out: the
// report says so.
func (s *Sketch) Merge(h sketched) {
	if s.Counts == nil {
		s.Counts = new([SketchBuckets]uint64)
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
		at := &s.Counts[sketchBucket(value)]
		*at = Saturate(*at, count)
		s.Count = Saturate(s.Count, count)
	}
	s.Sum = Saturate(s.Sum, h.sum)
	s.Max = max(s.Max, min(h.max, math.MaxInt64))
}

// Add adds another sketch.
func (s *Sketch) Add(o *Sketch) {
	if o.Counts == nil {
		return
	}
	if s.Counts == nil {
		s.Counts = new([SketchBuckets]uint64)
	}
	for i, n := range o.Counts {
		s.Counts[i] = Saturate(s.Counts[i], n)
	}
	s.Count, s.Sum, s.Max = Saturate(s.Count, o.Count), Saturate(s.Sum, o.Sum), max(s.Max, o.Max)
}

// clear forgets everything and keeps the memory.
func (s *Sketch) clear() {
	if s.Counts != nil {
		clear(s.Counts[:])
	}
	s.Count, s.Sum, s.Max = 0, 0, 0
}

// Quantile is the latency in ns that a share q (0 to 1) of all did not exceed, at
// most 1/16 too long; 0 for an empty sketch.
func (s *Sketch) Quantile(q float64) int64 {
	if s.Count == 0 {
		return 0
	}
	rank := max(uint64(math.Ceil(q*float64(s.Count))), 1)
	var seen uint64
	for i, n := range s.Counts {
		if seen = Saturate(seen, n); seen >= rank {
			return int64(min(SketchBound(i), s.Max))
		}
	}
	return int64(s.Max)
}

// MaxBound is the largest bound in ns of latencies: 69 s.
const MaxBound = 1 << 36

// RecentSketch is the latencies of the last rateWindow seconds.
type RecentSketch struct {
	seconds [RateWindow]Sketch
	at      int
}

// Now is the sketch of this second.
func (r *RecentSketch) Now() *Sketch { return &r.seconds[r.at] }

// Tick begins the next second.
func (r *RecentSketch) Tick() {
	r.at = (r.at + 1) % RateWindow
	r.Now().clear()
}

func (r *RecentSketch) AddTo(s *Sketch) {
	for i := range r.seconds {
		s.Add(&r.seconds[i])
	}
}

// sketched is an encoded Histogram, taken apart.
type sketched struct {
	deltas, counts []byte // packed varints
	max, sum       uint64
}

// ChunkWrites calls visit with the chunk-write latencies in an encoded Batch that scan
// has accepted. It keeps nothing and allocates nothing for a message.
func ChunkWrites(batch []byte, visit func(sketched)) {
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

// Saturate is a + b, or the largest number.
func Saturate(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry > 0 {
		return math.MaxUint64
	}
	return sum
}
