package latency

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Every value lies in its bucket, buckets follow each other without a gap, and a
// bucket of a Histogram lies within one of a Compact.
func TestCompactBucketsCoverEveryValueOnce(t *testing.T) {
	var next uint64
	for b := range compact.Bucket(maxValue) + 1 {
		low, top := compact.Range(b)
		if low != next || top < low {
			t.Fatalf("bucket %d is %d … %d, want it from %d", b, low, top, next)
		}
		if float64(top-low) > 0.008*float64(low) {
			t.Fatalf("bucket %d … %d is too wide", low, top)
		}
		for _, v := range []uint64{low, top, low + (top-low)/2} {
			if compact.Bucket(v) != b {
				t.Fatalf("%d falls into bucket %d, want %d", v, compact.Bucket(v), b)
			}
			if fine := exact.Low(v); compact.Bucket(fine) != b || compact.Bucket(exact.Top(fine)) != b {
				t.Fatalf("the fine bucket of %d is not within bucket %d", v, b)
			}
		}
		next = top + 1
	}
	if next-1 != maxValue {
		t.Errorf("the buckets end at %d", next-1)
	}
}

func TestCompactWithinPrecisionOfSamples(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for _, n := range []int{1, 2, 99, 20_000} {
		list := samples(r, n)
		var c Compact
		for _, d := range list {
			c.Add(d, 1)
		}
		slices.Sort(list)
		if c.Min() != list[0] || c.Max() != list[n-1] || c.Count() != uint64(n) {
			t.Errorf("%d samples: %v … %v of %d", n, c.Min(), c.Max(), c.Count())
		}
		for _, q := range []float64{0, 0.001, 0.5, 0.9, 0.99, 0.999, 1} {
			want, got := trueQuantile(list, q), c.Quantile(q)
			if got < want || float64(got-want) > 0.008*float64(want) {
				t.Errorf("quantile %v of %d samples is %v, want %v or up to 0.8%% more", q, n, got, want)
			}
		}
	}
}

// It is the same whether values are recorded at once, merged in any order, or made
// compact first or last.
func TestCompactMergesInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	var all, parts, late Compact
	var union Histogram
	for range 20 {
		list := samples(r, 200)
		var fine Histogram
		var part Compact
		for _, d := range list {
			all.Add(d, 1)
			fine.Add(d, 1)
		}
		part.MergeHistogram(&fine)
		if r.IntN(2) == 0 {
			part.Merge(&parts)
			parts = Compact{}
		}
		parts.Merge(&part)
		union.Merge(&fine)
	}
	late.MergeHistogram(&union)
	for name, c := range map[string]*Compact{"parts": &parts, "made compact last": &late} {
		if !slices.Equal(c.buckets, all.buckets) || !slices.Equal(c.narrow, all.narrow) ||
			!slices.Equal(c.wide, all.wide) || c.Mean() != all.Mean() ||
			c.Min() != all.Min() || c.Max() != all.Max() {
			t.Errorf("%s: not what recording all gives", name)
		}
	}
}

func TestCompactRangesHoldEverything(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var c Compact
	for _, d := range samples(r, 5000) {
		c.Add(d, 1)
	}
	c.Add(math.MaxInt64, 2)
	c.Add(0, 3)
	before := math.MaxInt
	for wider := range int(compact) {
		var sum uint64
		count, last := 0, time.Duration(-1)
		for got := range c.Ranges(wider) {
			if got.From <= last || got.To < got.From || got.Count == 0 {
				t.Fatalf("wider %d: range %+v after %v", wider, got, last)
			}
			last, sum, count = got.To, sum+got.Count, count+1
		}
		if sum != c.Count() || last != math.MaxInt64 || count > before {
			t.Errorf("wider %d: %d of %d values in %d ranges up to %v", wider, sum, c.Count(), count, last)
		}
		before = count
	}
}

// Counts beyond 32 bits are as exact as small ones, whichever side has them.
func TestCompactCountsGrowWide(t *testing.T) {
	var c, small Compact
	small.Add(7, 3)
	small.Add(900, 1)
	c.Add(900, math.MaxUint32)
	c.Merge(&small)
	small.Merge(&c)
	for name, got := range map[string]*Compact{"into wide": &c, "of wide": &small} {
		var counts []uint64
		for r := range got.Ranges(0) {
			counts = append(counts, r.Count)
		}
		want := []uint64{3, math.MaxUint32 + 1}
		if got == &small {
			want = []uint64{6, math.MaxUint32 + 2}
		}
		if !slices.Equal(counts, want) {
			t.Errorf("%s: counts %v, want %v", name, counts, want)
		}
	}
	c.Add(900, math.MaxUint64)
	if c.Count() != math.MaxUint64 || c.Quantile(0.5) != c.Max() {
		t.Errorf("count %d, median %v: counts should stay at the top of their range", c.Count(), c.Quantile(0.5))
	}
}

func TestZeroCompact(t *testing.T) {
	var c Compact
	c.Merge(nil)
	c.MergeHistogram(nil)
	c.Merge(&Compact{})
	c.Add(5, 0)
	if c.Count() != 0 || c.Quantile(0.5) != 0 || c.Max() != 0 || c.Buckets() != 0 {
		t.Errorf("an empty one says %d %v %v", c.Count(), c.Quantile(0.5), c.Max())
	}
}
