package session

import (
	"net"
	"testing"
	"time"

	"bulkhead/internal/testing/scripted"
)

func TestVitals(t *testing.T) {
	type step struct {
		after time.Duration // since the step before
		heard time.Duration // how long before the look something came; none if negative
	}
	const never = -1
	regular := func(n int, heard time.Duration) (list []step) {
		for range n {
			list = append(list, step{time.Second, heard})
		}
		return list
	}
	join := func(parts ...[]step) (list []step) {
		for _, p := range parts {
			list = append(list, p...)
		}
		return list
	}
	tests := []struct {
		name    string
		steps   []step
		starved time.Duration
		absent  bool
	}{
		{"regular", regular(20, 0), 0, false},
		{"silent supervisor", regular(60, never), 0, false},
		{"late ticks are no starvation", []step{{3 * time.Second, 0}, {2 * time.Second, never}}, 0, false},
		{"stopped", join(regular(5, 0), []step{{30 * time.Second, never}}), 29 * time.Second, true},
		{"stopped; what came before that is read after it",
			join(regular(5, 0), []step{{30 * time.Second, 28 * time.Second}, {time.Second, 29 * time.Second}}),
			29 * time.Second, true},
		{"stopped; something came in the middle", join(regular(5, 0), []step{{30 * time.Second, 10 * time.Second}}),
			29 * time.Second, true},
		{"stopped; heard again after it", join([]step{{30 * time.Second, never}}, regular(2, 0)), 29 * time.Second,
			false},
		{"network gone for long, stopped for a little", join(regular(20, never), []step{{5 * time.Second, never}}),
			4 * time.Second, false},
		{"stopped for long, network gone for a little", join([]step{{30 * time.Second, never}}, regular(20, never)),
			29 * time.Second, true},
		{"stopped twice", []step{{10 * time.Second, never}, {time.Second, never}, {10 * time.Second, never}},
			18 * time.Second, true},
		{"stopped, back, cut at once", []step{{time.Minute, never}, {time.Second, 0}}, 59 * time.Second, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := time.Now()
			v := newVitals(now)
			for _, s := range test.steps {
				now = now.Add(s.after)
				v.tick(now)
				if s.heard >= 0 {
					v.hear(now.Add(-s.heard))
				}
			}
			if got := v.total(now); got != test.starved {
				t.Errorf("starved for %s; want %s", got, test.starved)
			}
			if got := v.absent(now); got != test.absent {
				t.Errorf("absent = %v; want %v", got, test.absent)
			}
		})
	}
}

func TestVitalsCountAGapThatNoTickHasSeen(t *testing.T) {
	now := time.Now()
	v := newVitals(now)
	if now = now.Add(time.Minute); !v.absent(now) {
		t.Error("a gap of a minute up to now does not count")
	}
	v.hear(now)
	if v.absent(now.Add(time.Second)) {
		t.Error("what came ends no absence")
	}
}

func TestVitalsAreBounded(t *testing.T) {
	now := time.Now()
	v := newVitals(now)
	for range 10 * gapsMax {
		now = now.Add(time.Minute)
		v.tick(now)
	}
	if len(v.gaps) > gapsMax || v.total(now) != 10*gapsMax*59*time.Second {
		t.Errorf("%d gaps, starved for %s", len(v.gaps), v.total(now))
	}
}

// What waits in the kernel was heard when it came, not when it is read.
func TestSinceDataIsNotSinceRead(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if _, err := far.Write([]byte("acks")); err != nil {
		t.Fatal(err)
	}
	const long = 50 * time.Millisecond
	scripted.Eventually(t, "data that waits", func() bool { return sinceData(near) >= long })
	buffer := make([]byte, 4)
	var at time.Time
	w := &wire{Conn: near, socket: near, heard: func(when time.Time) { at = when }}
	if _, err := w.Read(buffer); err != nil {
		t.Fatal(err)
	}
	if since := time.Since(at); since < long {
		t.Errorf("heard %s ago; it came before %s", since, long)
	}
	if sinceData(nil) != 0 {
		t.Error("no socket has data")
	}
}
