package raw

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bulkhead/internal/latency"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// timedBatch returns an encoded batch of one Progress with these latencies.
func timedBatch(t testing.TB, values []time.Duration) []byte {
	t.Helper()
	var h latency.Histogram
	for _, v := range values {
		h.Add(v, 1)
	}
	return encode(t, &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{{
		Seq: 1, Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{ChunkWrite: h.Proto()}},
	}}})
}

// Against the raw samples, a sketch's percentiles are never too short by more than the
// histogram's own digits, and at most 1/16 too long; the extremes and sums are exact.
func TestSketchAgainstRawSamples(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var raw []time.Duration
	var s Sketch
	var sum uint64
	for range 20 {
		var some []time.Duration
		for range 500 {
			v := time.Duration(math.Exp(r.Float64()*20) * 100)
			some = append(some, v)
			sum += uint64(v)
		}
		raw = append(raw, some...)
		ChunkWrites(timedBatch(t, some), s.Merge)
	}
	slices.Sort(raw)
	if s.Count != uint64(len(raw)) || s.Sum != sum || s.Max != uint64(raw[len(raw)-1]) {
		t.Fatalf("count %d, sum %d, max %d; want %d, %d, %d", s.Count, s.Sum, s.Max, len(raw), sum, raw[len(raw)-1])
	}
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		exact := float64(raw[max(int(math.Ceil(q*float64(len(raw)))), 1)-1])
		if got := float64(s.Quantile(q)); got < exact*0.999 || got > exact*(1+1.0/16) {
			t.Errorf("quantile %g is %g; the samples say %g", q, got, exact)
		}
	}
}

// Every value is in the bucket whose bound is the next at or above it.
func TestSketchBuckets(t *testing.T) {
	for b := 1; b < SketchBuckets; b++ {
		low, high := SketchBound(b-1)+1, SketchBound(b)
		if sketchBucket(low) != b || sketchBucket(high) != b || high < low ||
			float64(high-low) > float64(low)/sketchSub {
			t.Fatalf("bucket %d is %d to %d; they are in %d and %d", b, low, high, sketchBucket(low),
				sketchBucket(high))
		}
	}
	if sketchBucket(math.MaxUint64) != SketchBuckets-1 {
		t.Error("the largest value has no bucket")
	}
}

// What a hostile client makes up is left out or capped, and never more than that.
func TestSketchHostile(t *testing.T) {
	const huge = math.MaxUint64
	for name, h := range map[string]*bulkheadv1.Histogram{
		"values that overflow": {ValueDelta: []uint64{huge, huge}, Count: []uint64{1, 1}},
		"counts that overflow": {ValueDelta: []uint64{1, 1}, Count: []uint64{huge, huge}, Max: huge, Sum: huge},
		"fewer counts":         {ValueDelta: []uint64{1, 1, 1}, Count: []uint64{1}},
		"no values":            {Count: []uint64{1, 2, 3}},
	} {
		var s Sketch
		data := encode(t, &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{{
			Seq: 1, Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{ChunkWrite: h}},
		}}})
		for range 3 {
			ChunkWrites(data, s.Merge)
		}
		if q := s.Quantile(0.99); q < 0 || int64(s.Max) < 0 {
			t.Errorf("%s: p99 %d, max %d", name, q, s.Max)
		}
	}
}

// A client's latencies lie within a few doublings: a sketch has no memory for all the others. What
// it has counted comes back from Counts, and a clone shares nothing.
func TestASketchIsAsLargeAsWhatItCounts(t *testing.T) {
	data := timedBatch(t, []time.Duration{280 * time.Microsecond, 300 * time.Microsecond, 8 * time.Millisecond})
	var s Sketch
	ChunkWrites(data, s.Merge)
	doublings := 0
	for _, some := range s.doublings {
		if some != nil {
			doublings++
		}
	}
	if doublings < 2 || doublings > 3 {
		t.Errorf("it has memory for %d doublings", doublings)
	}
	again := SketchOf(s.Counts(), s.Count, s.Sum, s.Max)
	clone := s.Clone()
	ChunkWrites(data, s.Merge)
	for name, c := range map[string]*Sketch{"of its counts": &again, "a clone": &clone} {
		if c.Count != 3 || c.Quantile(0.5) != s.Quantile(0.5) || c.Quantile(1) != int64(8*time.Millisecond) {
			t.Errorf("the sketch %s counts %d, p50 %d, p100 %d", name, c.Count, c.Quantile(0.5), c.Quantile(1))
		}
	}
	if s.Count != 6 {
		t.Errorf("it counts %d; want 6", s.Count)
	}
	var recent RecentSketch
	ChunkWrites(data, recent.Now().Merge)
	for range 2 * RateWindow {
		recent.Tick()
	}
	for i := range recent.seconds {
		if recent.seconds[i].doublings != nil {
			t.Errorf("second %d keeps memory though nothing was counted for long", i)
		}
	}
}

func TestChunkWritesAllocatesNothing(t *testing.T) {
	data := timedBatch(t, []time.Duration{time.Millisecond, time.Second})
	var s Sketch
	ChunkWrites(data, s.Merge) // has its buckets now
	if n := testing.AllocsPerRun(100, func() { ChunkWrites(data, s.Merge) }); n > 4 {
		t.Errorf("it allocates %v times", n)
	}
}

// FuzzSketch: nothing that a client can send makes a sketch fail.
func FuzzSketch(f *testing.F) {
	f.Add(timedBatch(f, []time.Duration{time.Millisecond, time.Second}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Sketch
		ChunkWrites(data, s.Merge)
		for _, q := range []float64{0, 0.5, 1} {
			if v := s.Quantile(q); v < 0 {
				t.Fatalf("quantile %g is %d", q, v)
			}
		}
	})
}

// BenchmarkScan measures what a processor does with a batch before the ack, and, for its
// latencies, after it.
func BenchmarkScan(b *testing.B) {
	data := encode(b, rawclient.Batch(1, 128))
	b.Run("before the ack", func(b *testing.B) {
		for b.Loop() {
			_, _ = Scan(data, 1, 128)
		}
	})
	b.Run("after the ack", func(b *testing.B) {
		var s Sketch
		for b.Loop() {
			ChunkWrites(data, s.Merge)
		}
	})
}
