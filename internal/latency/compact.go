package latency

import (
	"iter"
	"math"
	"slices"
	"time"

	"bulkhead/internal/saturated"
)

// Compact is a Histogram in about a sixth of the memory for each bucket, and an
// eighth of the buckets: for what many are kept at a time. Percentiles are at most
// 0.8 % above the true value; count, minimum, maximum and mean are exact. Merging is
// as of a Histogram: in any order, and before or after it was made compact.
//
// The zero value is empty and ready for use. It must not be copied after first use,
// and is not safe for concurrent use.
type Compact struct {
	buckets []uint16 // in rising order
	// The count of each bucket, above 0: narrow until one of them needs more.
	narrow []uint32
	wide   []uint64
	total  Histogram // of which the buckets are not used
}

// Add records value count times. A negative value counts as 0.
func (c *Compact) Add(value time.Duration, count uint64) {
	if count == 0 {
		return
	}
	v := uint64(max(value, 0))
	c.add(v, count)
	c.tell(count, v, v, saturated.Mul(v, count))
}

// MergeHistogram adds everything recorded in h, which may be nil.
func (c *Compact) MergeHistogram(h *Histogram) {
	if h == nil || h.count == 0 {
		return
	}
	for low, n := range h.buckets {
		c.add(low, n)
	}
	c.tell(h.count, h.min, h.max, h.sum)
}

// Merge adds everything recorded in o, which may be nil, to c.
func (c *Compact) Merge(o *Compact) {
	if o == nil || o.total.count == 0 {
		return
	}
	if len(c.buckets) == 0 {
		c.buckets, c.narrow, c.wide = slices.Clone(o.buckets), slices.Clone(o.narrow), slices.Clone(o.wide)
	} else {
		for i, b := range o.buckets {
			c.addBucket(b, o.countAt(i))
		}
	}
	c.tell(o.total.count, o.total.min, o.total.max, o.total.sum)
}

func (c *Compact) add(v, n uint64) { c.addBucket(uint16(compact.Bucket(min(v, maxValue))), n) }

func (c *Compact) addBucket(bucket uint16, n uint64) {
	i, found := slices.BinarySearch(c.buckets, bucket)
	if !found {
		c.buckets = slices.Insert(c.buckets, i, bucket)
		if c.wide == nil {
			c.narrow = slices.Insert(c.narrow, i, 0)
		} else {
			c.wide = slices.Insert(c.wide, i, 0)
		}
	}
	if c.wide == nil {
		if sum := saturated.Add(uint64(c.narrow[i]), n); sum <= math.MaxUint32 {
			c.narrow[i] = uint32(sum)
			return
		}
		c.widenCounts()
	}
	c.wide[i] = saturated.Add(c.wide[i], n)
}

// widenCounts makes room for counts that 32 bits do not hold.
func (c *Compact) widenCounts() {
	c.wide = make([]uint64, len(c.narrow), cap(c.narrow))
	for i, n := range c.narrow {
		c.wide[i] = uint64(n)
	}
	c.narrow = nil
}

func (c *Compact) countAt(i int) uint64 {
	if c.wide == nil {
		return uint64(c.narrow[i])
	}
	return c.wide[i]
}

// tell adds to what is known beside the buckets.
func (c *Compact) tell(count, low, high, sum uint64) {
	c.total.count = saturated.Add(c.total.count, count)
	c.total.widen(low, high)
	c.total.sum = saturated.Add(c.total.sum, sum)
}

// Count returns how many values were recorded.
func (c *Compact) Count() uint64 { return c.total.Count() }

// Buckets returns how many buckets are in use: the size of c, of which one takes
// about 8 bytes.
func (c *Compact) Buckets() int { return len(c.buckets) }

// Min returns the smallest value recorded, exactly; 0 for an empty c.
func (c *Compact) Min() time.Duration { return c.total.Min() }

// Max returns the largest value recorded, exactly; 0 for an empty c.
func (c *Compact) Max() time.Duration { return c.total.Max() }

// Mean returns the exact sum divided by the count; 0 for an empty c.
func (c *Compact) Mean() time.Duration { return c.total.Mean() }

// Quantile returns what Histogram.Quantile does, but the answer is at most 0.8 % above the true
// value. It is exact for values below 256 ns, for q = 0 and for q = 1.
func (c *Compact) Quantile(q float64) time.Duration {
	switch {
	case c.Count() == 0:
		return 0
	case !(q > 0):
		return c.Min()
	case q >= 1:
		return c.Max()
	}
	rank := max(rankOf(q, c.Count()), 1)
	var seen uint64
	for i, b := range c.buckets {
		seen = saturated.Add(seen, c.countAt(i))
		if seen >= rank {
			_, top := compact.Range(int(b))
			return max(min(time.Duration(top), c.Max()), c.Min())
		}
	}
	return c.Max()
}

// Range is the values from From to To, both included, and how often they occurred.
type Range struct {
	From, To time.Duration
	Count    uint64
}

// Ranges yields what was recorded in rising order, in ranges that are the union of
// 2^wider neighbouring buckets each; wider is at most 7, which is one range for each
// power of two. Ranges in which nothing was recorded are left out.
func (c *Compact) Ranges(wider int) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for i := 0; i < len(c.buckets); {
			group := c.buckets[i] >> wider
			first, last := group<<wider, group<<wider+1<<wider-1
			low, _ := compact.Range(int(first))
			_, top := compact.Range(int(last))
			r := Range{From: time.Duration(low), To: time.Duration(top)}
			for ; i < len(c.buckets) && c.buckets[i] <= last; i++ {
				r.Count = saturated.Add(r.Count, c.countAt(i))
			}
			if !yield(r) {
				return
			}
		}
	}
}
