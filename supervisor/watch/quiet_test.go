package watch

import (
	"testing"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// quietHello declares heartbeats and a runtime.
func quietHello(beat, runtime time.Duration) *bulkheadv1.Hello {
	return &bulkheadv1.Hello{Workload: &bulkheadv1.Workload{HeartbeatIntervalNano: int64(beat),
		RuntimeNano: int64(runtime)}}
}

// A client is silent when it has left out four rounds of heartbeats, and not for less than
// 12 s, in time that counts.
func TestQuiet(t *testing.T) {
	const second = int64(time.Second)
	type look struct {
		late   int64 // how much later than a second after the last one
		deaf   bool  // something is not taken in, or a ping is not answered
		dead   bool  // the transport is not heard
		said   bool  // a message comes before it
		wrote  bool  // with a chunk in it
		finish bool  // Stop, or Drain
	}
	looks := func(n int, l look) []look {
		var out []look
		for range n {
			out = append(out, l)
		}
		return out
	}
	with := func(lists ...[]look) []look {
		var out []look
		for _, l := range lists {
			out = append(out, l...)
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		hello  *bulkheadv1.Hello
		script []look
		at     int // the look at which it is told; 0 is never
	}{
		{"speaks", quietHello(2*time.Second, 0), looks(60, look{said: true}), 0},
		{"says nothing from the first moment on", quietHello(2*time.Second, 0), looks(60, look{}), 12},
		{"says nothing after a while", quietHello(2*time.Second, 0),
			with(looks(7, look{said: true}), looks(60, look{})), 19},
		{"seldom beats", quietHello(10*time.Second, 0), looks(60, look{}), 40},
		{"beats very often", quietHello(10*time.Millisecond, 0), looks(60, look{}), 12},
		{"has declared no heartbeats", quietHello(0, 0), looks(60, look{}), 0},
		{"declares what cannot be", quietHello(1<<63-1, 1<<63-1), looks(60, look{}), 0},
		{"delivers what another process left",
			&bulkheadv1.Hello{Resent: true, Workload: quietHello(2*time.Second, 0).Workload}, looks(60, look{}), 0},
		{"is not taken in", quietHello(2*time.Second, 0), looks(60, look{deaf: true}), 0},
		{"is not taken in for a while", quietHello(2*time.Second, 0),
			with(looks(9, look{}), looks(20, look{deaf: true}), looks(20, look{})), 32},
		{"has no connection that lives", quietHello(2*time.Second, 0), looks(60, look{dead: true}), 0},
		{"the supervisor itself was stopped", quietHello(2*time.Second, 0),
			with(looks(9, look{}), looks(1, look{late: 3600 * second}), looks(3, look{said: true}), looks(11, look{})),
			0},
		{"has stopped", quietHello(2*time.Second, 0), with(looks(3, look{said: true}), looks(60, look{finish: true})),
			0},
		{"its runtime and grace are over", quietHello(2*time.Second, 20*time.Second),
			with(looks(1, look{said: true, wrote: true}), looks(44, look{said: true}), looks(60, look{})), 0},
		{"its runtime is not over", quietHello(2*time.Second, 20*time.Second),
			with(looks(1, look{said: true, wrote: true}), looks(20, look{said: true}), looks(60, look{})), 33},
		{"its runtime has not begun", quietHello(2*time.Second, 20*time.Second),
			with(looks(100, look{said: true}), looks(60, look{})), 112},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := int64(1e15)
			q := NewQuiet(tt.hello, 30*time.Second)
			q.Attached(now)
			heard, told := now, 0
			for i, l := range tt.script {
				now += second + l.late
				if !l.dead {
					heard = now
				}
				if l.said {
					if _, was := q.End(now); was {
						break
					}
				}
				if l.wrote {
					q.Wrote(now)
				}
				if l.finish {
					q.Finish()
				}
				if q.Look(now, !l.deaf, heard) {
					silent, ok := q.Begin(now, heard)
					if told = i + 1; !ok || silent < q.Limit || silent > q.Limit+2*time.Second {
						t.Errorf("silent for %v, limit %v", silent, q.Limit)
					}
					break
				}
			}
			if told != tt.at {
				t.Errorf("told at look %d; want %d", told, tt.at)
			}
		})
	}
}

// A silence is told once, and ends with its whole length.
func TestQuietEnds(t *testing.T) {
	q := NewQuiet(quietHello(time.Second, 0), 0)
	now := int64(1e15)
	q.Attached(now)
	for range 20 {
		now += int64(time.Second)
		if q.Look(now, true, now) {
			if _, ok := q.Begin(now, now); !ok {
				t.Fatal("what was due is not told")
			}
		}
		if _, again := q.Begin(now, now); again {
			t.Fatal("told twice")
		}
	}
	now += int64(300 * time.Millisecond)
	if got := q.Shown(now); got != 20300*time.Millisecond {
		t.Errorf("shown as %v", got)
	}
	if silent, told := q.End(now); !told || silent != 20300*time.Millisecond {
		t.Errorf("ended after %v, %v", silent, told)
	}
	if _, told := q.End(now); told || q.Shown(now) != 0 {
		t.Error("it continues after its end")
	}
}
