package raw

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"bulkhead/internal/encoded"
	"bulkhead/internal/latency"
	"bulkhead/internal/saturated"
)

const (
	// sketchScale has 16 buckets for each doubling of the value: the upper bound of a bucket
	// is at most 1/16 above any value in it.
	sketchBits  = 5
	sketchScale = latency.Scale(sketchBits)
	sketchSub   = 1 << (sketchBits - 1)
	// sketchDoublings reach to 2^40 ns, 18 minutes; what is longer counts as that.
	sketchDoublings = 37
	// SketchBuckets is how many buckets there are.
	SketchBuckets = sketchSub * sketchDoublings
)

// Sketch is a histogram of latencies in ns, small enough to have a few of them for every session:
// status shows it. The report has its own, which is finer. A Sketch has buckets as a
// latency.Compact has, but fewer of them, and keeps them in another way: those of a Compact are
// sorted lists that grow with what a client sends, while a Sketch is filled from encoded bytes and
// cleared every second, without an allocation in the path of the messages but for the first of an
// order of magnitude. The writes of one client are within a few of those, so it takes some
// 800 bytes. Its zero value is empty; a copy shares its buckets, see Clone.
type Sketch struct {
	doublings *[sketchDoublings]*[sketchSub]uint64 // nil as long as nothing was counted
	Count     uint64
	Sum, Max  uint64 // exact as sent; sum saturates
}

// at returns the bucket with a number.
func (s *Sketch) at(bucket int) *uint64 {
	if s.doublings == nil {
		s.doublings = new([sketchDoublings]*[sketchSub]uint64)
	}
	some := &s.doublings[bucket/sketchSub]
	if *some == nil {
		*some = new([sketchSub]uint64)
	}
	return &(*some)[bucket%sketchSub]
}

// Buckets calls yield with every bucket that is not empty, by rising number, and what it counts.
func (s *Sketch) Buckets(yield func(bucket int, n uint64) bool) {
	if s.doublings == nil {
		return
	}
	for i, some := range s.doublings {
		if some == nil {
			continue
		}
		for j, n := range some {
			if n > 0 && !yield(i*sketchSub+j, n) {
				return
			}
		}
	}
}

// Counts returns what every bucket counts, up to the last that is not empty.
func (s *Sketch) Counts() []uint64 {
	var counts []uint64
	for bucket, n := range s.Buckets {
		counts = append(counts, make([]uint64, bucket-len(counts))...)
		counts = append(counts, n)
	}
	return counts
}

// SketchOf returns the sketch whose buckets count so much; they are at most SketchBuckets.
func SketchOf(counts []uint64, count, sum, most uint64) Sketch {
	s := Sketch{Count: count, Sum: sum, Max: most}
	for bucket, n := range counts {
		if n > 0 {
			*s.at(bucket) = n
		}
	}
	return s
}

// Clone returns a sketch that shares nothing with s.
func (s *Sketch) Clone() Sketch {
	var c Sketch
	c.Add(s)
	return c
}

// sketchBucket returns the bucket of a value.
func sketchBucket(v uint64) int { return min(sketchScale.Bucket(v), SketchBuckets-1) }

// SketchBound returns the largest value of a bucket.
func SketchBound(bucket int) uint64 {
	_, top := sketchScale.Range(bucket)
	return top
}

// Merge adds an encoded Histogram. What does not make sense in it is left out: the
// report says so.
func (s *Sketch) Merge(h EncodedHistogram) {
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
		at := s.at(sketchBucket(value))
		*at = saturated.Add(*at, count)
		s.Count = saturated.Add(s.Count, count)
	}
	s.Sum = saturated.Add(s.Sum, h.sum)
	s.Max = max(s.Max, min(h.max, math.MaxInt64))
}

// Add adds another sketch.
func (s *Sketch) Add(o *Sketch) {
	for bucket, n := range o.Buckets {
		at := s.at(bucket)
		*at = saturated.Add(*at, n)
	}
	s.Count, s.Sum, s.Max = saturated.Add(s.Count, o.Count), saturated.Add(s.Sum, o.Sum), max(s.Max, o.Max)
}

// clear forgets everything. It keeps the memory, unless there was nothing to be forgotten.
func (s *Sketch) clear() {
	if s.Count == 0 {
		s.doublings = nil
	}
	if s.doublings != nil {
		for _, some := range s.doublings {
			if some != nil {
				clear(some[:])
			}
		}
	}
	s.Count, s.Sum, s.Max = 0, 0, 0
}

// Quantile returns the latency in ns that a share q (0 to 1) of all did not exceed, at
// most 1/16 too long; 0 for an empty sketch.
func (s *Sketch) Quantile(q float64) int64 {
	_, most := s.Between(q)
	return most
}

// Between returns the bounds between which the latency is that Quantile returns.
func (s *Sketch) Between(q float64) (least, most int64) {
	if s.Count == 0 {
		return 0, 0
	}
	rank := max(uint64(math.Ceil(q*float64(s.Count))), 1)
	var seen uint64
	for i, n := range s.Buckets {
		if seen = saturated.Add(seen, n); seen >= rank {
			low, top := sketchScale.Range(i)
			return int64(min(low, s.Max)), int64(min(top, s.Max))
		}
	}
	return int64(s.Max), int64(s.Max)
}

// MaxBound is the largest bound in ns of latencies: 69 s.
const MaxBound = 1 << 36

// RecentSketch is the latencies of the last rateWindow seconds.
type RecentSketch struct {
	seconds [RateWindow]Sketch
	at      int
}

// Now returns the sketch of this second.
func (r *RecentSketch) Now() *Sketch { return &r.seconds[r.at] }

// Tick begins the next second.
func (r *RecentSketch) Tick() {
	r.at = (r.at + 1) % RateWindow
	r.Now().clear()
}

// Last returns the sketch of the second that has ended.
func (r *RecentSketch) Last() *Sketch { return &r.seconds[(r.at+RateWindow-1)%RateWindow] }

// AddTo adds the latencies of the last seconds to s.
func (r *RecentSketch) AddTo(s *Sketch) {
	for i := range r.seconds {
		s.Add(&r.seconds[i])
	}
}

// EncodedHistogram is an encoded Histogram, taken apart.
type EncodedHistogram struct {
	deltas, counts []byte // packed varints
	max, sum       uint64
}

// ChunkWrites calls visit with the chunk-write latencies in an encoded Batch that Scan
// has accepted. It keeps nothing and allocates nothing for a message.
func ChunkWrites(batch []byte, visit func(EncodedHistogram)) {
	histograms(batch, encoded.ProgressChunkWrite, visit)
}

// Reads does the same with the latencies of reads.
func Reads(batch []byte, visit func(EncodedHistogram)) {
	histograms(batch, encoded.ProgressRead, visit)
}

// histograms visits one histogram of each Progress.
func histograms(batch []byte, of protowire.Number, visit func(EncodedHistogram)) {
	_ = encoded.Messages(batch, func(message []byte) error { // an error is Scan's to find
		m, err := scanMessage(message)
		if err != nil {
			return err
		}
		return encoded.Fields(m.progress, func(n protowire.Number, _ uint64, b []byte) error {
			if n != of || len(b) == 0 {
				return nil
			}
			var h EncodedHistogram
			err := encoded.Fields(b, func(n protowire.Number, v uint64, b []byte) error {
				switch n {
				case encoded.HistogramValueDelta:
					h.deltas = b
				case encoded.HistogramCount:
					h.counts = b
				case encoded.HistogramMax:
					h.max = v
				case encoded.HistogramSum:
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
