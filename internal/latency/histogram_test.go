package latency

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
)

// samples returns n durations spread over nanoseconds to minutes, so that every
// width of bucket is met.
func samples(r *rand.Rand, n int) []time.Duration {
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = time.Duration(math.Exp(r.Float64() * math.Log(float64(10*time.Minute))))
	}
	return list
}

// trueQuantile returns the exact quantile, which Quantile approximates.
func trueQuantile(sorted []time.Duration, q float64) time.Duration {
	rank := int(math.Ceil(math.Round(q*float64(len(sorted))*1e6) / 1e6))
	return sorted[max(rank, 1)-1]
}

func TestQuantileWithinPrecisionOfSamples(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		list := samples(r, 1+r.IntN(5000))
		h := new(Histogram)
		for _, d := range list {
			h.Add(d, 1)
		}
		slices.Sort(list)
		for _, q := range []float64{0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999} {
			want, got := trueQuantile(list, q), h.Quantile(q)
			if got < want || float64(got-want) > 0.001*float64(want) {
				t.Errorf("seed %d: Quantile(%v) = %d, want %d up to 0.1%% more", seed, q, got, want)
			}
		}
		if h.Min() != list[0] || h.Max() != list[len(list)-1] {
			t.Errorf("seed %d: extremes %d … %d, want %d … %d", seed, h.Min(), h.Max(), list[0], list[len(list)-1])
		}
		if h.Quantile(0) != h.Min() || h.Quantile(1) != h.Max() {
			t.Errorf("seed %d: Quantile(0), Quantile(1) are not the exact extremes", seed)
		}
	}
}

func TestMergeEqualsRecordingAll(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		all, merged := new(Histogram), new(Histogram)
		for range 1 + r.IntN(6) {
			part := new(Histogram)
			for _, d := range samples(r, r.IntN(300)) {
				n := uint64(1 + r.IntN(3))
				part.Add(d, n)
				all.Add(d, n)
			}
			merged.Merge(part)
		}
		if diff := cmp.Diff(all.Proto(), merged.Proto(), protocmp.Transform()); diff != "" {
			t.Errorf("seed %d: merge differs from recording all (-all +merged):\n%s", seed, diff)
		}
	}
}

func TestMergeWithItselfDoubles(t *testing.T) {
	h := new(Histogram)
	h.Add(time.Millisecond, 3)
	h.Add(time.Second, 1)
	h.Merge(h)
	if h.Count() != 8 || h.Quantile(0.75) >= time.Second || h.Mean() != (3*time.Millisecond+time.Second)/4 {
		t.Errorf("count %d, p75 %v, mean %v", h.Count(), h.Quantile(0.75), h.Mean())
	}
}

func TestZeroHistogram(t *testing.T) {
	h := new(Histogram)
	h.Merge(nil)
	h.Merge(new(Histogram))
	h.Add(time.Second, 0)
	if h.Count() != 0 || h.Min() != 0 || h.Max() != 0 || h.Mean() != 0 || h.Quantile(0.5) != 0 {
		t.Errorf("empty histogram answers %+v", h)
	}
}

func TestOddArguments(t *testing.T) {
	h := new(Histogram)
	h.Add(-time.Second, 1)
	h.Add(math.MaxInt64, 1)
	if h.Min() != 0 || h.Max() != math.MaxInt64 {
		t.Errorf("extremes %d … %d", h.Min(), h.Max())
	}
	for q, want := range map[float64]time.Duration{-1: 0, 2: math.MaxInt64, math.Inf(1): math.MaxInt64} {
		if got := h.Quantile(q); got != want {
			t.Errorf("Quantile(%v) = %d, want %d", q, got, want)
		}
	}
	if got := h.Quantile(math.NaN()); got != 0 {
		t.Errorf("Quantile(NaN) = %d, want the minimum", got)
	}
}

func TestCountsAndSumsSaturate(t *testing.T) {
	h := new(Histogram)
	h.Add(time.Hour, math.MaxUint64-1)
	h.Add(time.Hour, 5)
	h.Merge(h)
	if h.Count() != math.MaxUint64 || h.Quantile(0.5) != time.Hour || h.Quantile(0.999) != time.Hour {
		t.Errorf("count %d, p50 %v", h.Count(), h.Quantile(0.5))
	}
}

// Buckets must be HdrHistogram's own, or histograms recorded by others would not
// merge without loss.
func TestBucketsAreHdrHistograms(t *testing.T) {
	hdr := hdrhistogram.New(int64(MinRecorded), int64(MaxRecorded), 3)
	r := rand.New(rand.NewPCG(3, 3))
	values := []uint64{0, 1, 2047, 2048, 2049, 4095, 4096, uint64(MaxRecorded)}
	for range 2000 {
		values = append(values, r.Uint64N(uint64(MaxRecorded))>>r.IntN(41))
	}
	for _, v := range values {
		low := exact.Low(v)
		if !hdr.ValuesAreEquivalent(int64(low), int64(v)) || !hdr.ValuesAreEquivalent(int64(exact.Top(low)), int64(v)) {
			t.Errorf("bucket of %d is %d … %d, which HdrHistogram tells apart", v, low, exact.Top(low))
		}
		if low > 0 && hdr.ValuesAreEquivalent(int64(low-1), int64(v)) ||
			hdr.ValuesAreEquivalent(int64(exact.Top(low)+1), int64(v)) {
			t.Errorf("bucket of %d is %d … %d, narrower than HdrHistogram's", v, low, exact.Top(low))
		}
	}
}
