package latency

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
)

func TestRecorderTakesWhatWasRecordedSince(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	rec := NewRecorder()
	for interval := range 5 {
		want := new(Histogram)
		for _, d := range samples(r, interval*100) {
			d = max(d, MinRecorded)
			rec.Record(d)
			want.Add(d, 1)
		}
		if diff := cmp.Diff(want.Proto(), rec.Take().Proto(), protocmp.Transform()); diff != "" {
			t.Errorf("interval %d (-want +got):\n%s", interval, diff)
		}
	}
}

func TestRecorderClamps(t *testing.T) {
	rec := NewRecorder()
	rec.Record(-time.Second)
	rec.Record(0)
	rec.Record(25 * time.Hour)
	h := rec.Take()
	if h.Count() != 3 || h.Min() != MinRecorded || h.Max() != MaxRecorded {
		t.Errorf("count %d, %v … %v; want 3, %v … %v", h.Count(), h.Min(), h.Max(), MinRecorded, MaxRecorded)
	}
	if want := (MaxRecorded + 2*MinRecorded) / 3; h.Mean() != want {
		t.Errorf("mean %v, want %v", h.Mean(), want)
	}
}

// TestNumbersOfBuckets counts all buckets that there can be, and finds each value in its own.
func TestNumbersOfBuckets(t *testing.T) {
	for _, s := range []Scale{2, 5, compact, exact} {
		next := uint64(0)
		for n := range s.Bucket(uint64(MaxRecorded)) + 1 {
			low, top := s.Range(n)
			if low != next || top < low || s.Bucket(low) != n || s.Bucket(top) != n {
				t.Fatalf("bucket %d of %d bits is %d to %d, which begins at %d", n, s, low, top, next)
			}
			next = top + 1
		}
		r := rand.New(rand.NewPCG(5, 5))
		for _, d := range append(samples(r, 2000), 0, MinRecorded, MaxRecorded, maxValue) {
			v := uint64(d)
			if low, top := s.Range(s.Bucket(v)); low != s.Low(v) || top != s.Top(v) || v < low || v > top {
				t.Errorf("%d is in bucket %d of %d bits, %d to %d", v, s.Bucket(v), s, low, top)
			}
		}
	}
}

// TestTakingAllocatesLittle takes an interval with one value far from the others: what
// that costs is paid by every consumer every second, beside its writing.
func TestTakingAllocatesLittle(t *testing.T) {
	rec := NewRecorder()
	take := func() {
		rec.Record(40 * time.Microsecond)
		rec.Record(20 * time.Second)
		rec.Take()
	}
	take()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 100
	for range times {
		take()
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / times; each > 16<<10 {
		t.Errorf("two values allocate %d bytes when they are taken", each)
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	rec := NewRecorder()
	d := time.Microsecond
	if n := testing.AllocsPerRun(1000, func() { rec.Record(d); d += time.Microsecond }); n != 0 {
		t.Errorf("Record allocates %v times", n)
	}
}
