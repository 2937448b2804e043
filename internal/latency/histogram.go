package latency

import (
	"maps"
	"math"
	"slices"
	"time"

	"bulkhead/internal/saturated"
)

// Histogram is a sparse set of durations and how often each occurred. The zero
// value is empty and ready for use. It must not be copied after first use, and
// is not safe for concurrent use.
type Histogram struct {
	buckets map[uint64]uint64 // lowest value of the bucket, in ns → count above 0
	count   uint64            // sum of all counts
	min     uint64            // exact, in ns; meaningless while widened is false
	max     uint64            // exact, in ns
	sum     uint64            // exact, in ns, unless saturated
	widened bool              // min and max are set
}

// Add records value count times. A negative value counts as 0.
func (h *Histogram) Add(value time.Duration, count uint64) {
	if count == 0 {
		return
	}
	v := uint64(max(value, 0))
	h.addBucket(exact.Low(v), count)
	h.widen(v, v)
	h.sum = saturated.Add(h.sum, saturated.Mul(v, count))
}

// Merge adds everything recorded in o, which may be nil, to h.
func (h *Histogram) Merge(o *Histogram) {
	if o == nil || o.count == 0 {
		return
	}
	for v, n := range o.buckets {
		h.addBucket(v, n) // o may be h: then every bucket exists, and doubles
	}
	h.widen(o.min, o.max)
	h.sum = saturated.Add(h.sum, o.sum)
}

// Count returns how many values were recorded.
func (h *Histogram) Count() uint64 { return h.count }

// Buckets returns how many buckets are in use: the size of h, of which one takes
// about 40 bytes.
func (h *Histogram) Buckets() int { return len(h.buckets) }

// Min returns the smallest value recorded, exactly; 0 for an empty histogram.
func (h *Histogram) Min() time.Duration { return time.Duration(h.min) }

// Max returns the largest value recorded, exactly; 0 for an empty histogram.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max) }

// Mean returns the exact sum divided by the count; 0 for an empty histogram.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return time.Duration(min(h.sum/h.count, maxValue))
}

// Quantile returns the value that a share q of the recorded values does not
// exceed; 0 for an empty histogram. q is clamped to 0 … 1 (NaN counts as 0).
//
// The answer is the top of the bucket that holds the value of that rank, so it
// is never below the true value and at most 0.1 % above it. It is exact for
// values below 2048 ns, for q = 0 (the minimum) and for q = 1 (the maximum).
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	if !(q > 0) {
		return h.Min()
	}
	if q >= 1 {
		return h.Max()
	}
	rank := max(rankOf(q, h.count), 1)
	var seen uint64
	for _, low := range slices.Sorted(maps.Keys(h.buckets)) {
		seen = saturated.Add(seen, h.buckets[low])
		if seen >= rank {
			return time.Duration(max(min(exact.Top(low), h.max), h.min))
		}
	}
	return h.Max()
}

// rankOf returns ⌈q·count⌉ for q between 0 and 1. The product is lowered by a
// few units in its last place first, so that the rounding of, say, 0.9 to a
// float64 just above it does not push a whole-number rank to the next one.
func rankOf(q float64, count uint64) uint64 {
	rank := math.Ceil(q * float64(count) * (1 - 4*0x1p-53))
	if rank >= float64(count) {
		return count
	}
	return uint64(rank)
}

// addBucket adds n values to the bucket whose lowest value is low.
func (h *Histogram) addBucket(low, n uint64) {
	if h.buckets == nil {
		h.buckets = make(map[uint64]uint64)
	}
	h.buckets[low] = saturated.Add(h.buckets[low], n)
	h.count = saturated.Add(h.count, n)
}

// widen makes the exact extremes cover low … high.
func (h *Histogram) widen(low, high uint64) {
	if !h.widened {
		h.min, h.max, h.widened = low, high, true
		return
	}
	h.min, h.max = min(h.min, low), max(h.max, high)
}
