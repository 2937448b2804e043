package latency

import (
	"math/rand/v2"
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

func TestRecordDoesNotAllocate(t *testing.T) {
	rec := NewRecorder()
	d := time.Microsecond
	if n := testing.AllocsPerRun(1000, func() { rec.Record(d); d += time.Microsecond }); n != 0 {
		t.Errorf("Record allocates %v times", n)
	}
}
