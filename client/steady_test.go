package client

import (
	"math"
	"strings"
	"testing"
	"time"

	"bulkhead/client/spec"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestThroughputSpreadsWhatIsSaid(t *testing.T) {
	tp := newThroughput(time.Time{}, time.Second)
	tp.add(500*time.Millisecond, 2500*time.Millisecond, 200) // 50, 100, 50
	tp.add(2*time.Second, 3*time.Second, 7)
	tp.add(-time.Second, 0, 1000) // before the first interval
	tp.add(4*time.Second, 4*time.Second, 3)
	want := []float64{50, 100, 57, 3}
	got := tp.last(6*time.Second, 4*time.Second, 0)
	if len(got) != len(want) {
		t.Fatalf("last = %v; want %v", got, want)
	}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-6 {
			t.Errorf("last = %v; want %v", got, want)
		}
	}
}

func TestSteady(t *testing.T) {
	s := spec.Steady{Window: 5 * time.Second, MaxVariation: 10}
	for _, row := range []struct {
		name       string
		perSecond  []float64
		now, since time.Duration
		want       string // "" is not steady
	}{
		{"steady", []float64{100, 110, 90, 100, 105}, 7 * time.Second, 0, "101.0 kB/s, varying by 7.3 % over 5s"},
		{"not yet: the latest two seconds are left out", []float64{100, 100, 100, 100, 100}, 6900 * time.Millisecond, 0,
			""},
		{"too uneven for a sample, if not for a whole", []float64{100, 112, 88, 90, 110}, 7 * time.Second, 0, ""},
		{"too uneven", []float64{100, 160, 60, 100, 105}, 7 * time.Second, 0, ""},
		{"a stall", []float64{100, 100, 0, 100, 100}, 7 * time.Second, 0, ""},
		{"nothing", []float64{0, 0, 0, 0, 0}, 7 * time.Second, 0, ""},
		{"a consumer began later", []float64{100, 100, 100, 100, 100}, 7 * time.Second, time.Second, ""},
		{"uneven before the window", []float64{900, 100, 100, 100, 100, 100}, 8 * time.Second, time.Second,
			"100.0 kB/s, varying by 0.0 % over 5s"},
	} {
		t.Run(row.name, func(t *testing.T) {
			tp := newThroughput(time.Unix(1000, 0), time.Second)
			for i, kb := range row.perSecond {
				tp.count(&bulkheadv1.Message{
					TimeUnixNano: 5, // the wall clock counts for nothing
					Fact: &bulkheadv1.Message_Progress{
						Progress: &bulkheadv1.Progress{IntervalNano: int64(time.Second), Bytes: uint64(kb * 1000)}},
				}, time.Unix(1000+int64(i)+1, 0))
			}
			words, yes := tp.steady(s, row.now, row.since)
			if yes != (row.want != "") || words != row.want {
				t.Errorf("steady = %q, %v; want %q", words, yes, row.want)
			}
		})
	}
}

func TestThroughputForgetsWhatIsOver(t *testing.T) {
	tp := newThroughput(time.Time{}, time.Second)
	for i := range 1000 {
		now := time.Duration(i+1) * time.Second
		tp.add(now-time.Second, now, 1)
		tp.last(now, 5*time.Second, 0)
	}
	if n := len(tp.bytes); n > 10 {
		t.Errorf("%d intervals are kept", n)
	}
}

func TestWordsForTheLastConsumer(t *testing.T) {
	if got := noneLeft(&worker{process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER,
		Index: 3}, stopped: "the disk is full"}); !strings.HasPrefix(got,
		"no consumer is left; the last, consumer 3: the disk is full") {
		t.Errorf("detail = %q", got)
	}
}
