package supervisor

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/recovery"
)

// The rate is over the seconds there were, at most raw.RateWindow, from the first tick on; what
// a journal has of a session is no part of it.
func TestRateFromTheFirstSecond(t *testing.T) {
	for name, restored := range map[string]uint64{"new": 0, "resumed": 7000} {
		var l live
		if restored > 0 {
			was := &recovery.Session{Total: raw.Counted{Bytes: restored, Messages: 70}}
			l.restore(active, was, time.Time{}, time.Time{})
		}
		for second := 1; second <= 2*raw.RateWindow; second++ {
			bytes := uint64(100)
			if second > raw.RateWindow {
				bytes = 200
			}
			l.add(raw.Counted{Bytes: bytes, Messages: 1}, time.Time{})
			l.tick()
			want := 100 + 100*float64(max(second-raw.RateWindow, 0))/raw.RateWindow
			if v := l.snapshot(); v.bytesPerSecond != want || v.msgsPerSecond != 1 {
				t.Fatalf("%s, second %d: %v B/s and %v messages/s; want %v and 1", name, second, v.bytesPerSecond,
					v.msgsPerSecond, want)
			}
		}
	}
}

func TestRecentSketchForgets(t *testing.T) {
	var l live
	var h latency.Histogram
	h.Add(time.Second, 1)
	l.addWrites(batchBytes(t, &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{{
		Seq: 1, Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{ChunkWrite: h.Proto()}},
	}}}))
	for i := range raw.RateWindow {
		var whole, recent raw.Sketch
		l.sketches(&whole, &recent)
		if whole.Count != 1 || recent.Count != 1 {
			t.Fatalf("after %d ticks: %d of the run, %d recent", i, whole.Count, recent.Count)
		}
		l.tick()
	}
	var whole, recent raw.Sketch
	l.sketches(&whole, &recent)
	if whole.Count != 1 || recent.Count != 0 || recent.Quantile(0.99) != 0 {
		t.Errorf("in the end: %d of the run, %d recent", whole.Count, recent.Count)
	}
}

// batchBytes encodes a batch.
func batchBytes(t testing.TB, b *bulkheadv1.Batch) []byte {
	t.Helper()
	data, err := proto.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
