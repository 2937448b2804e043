package supervisor

import (
	"testing"
	"time"
)

// The rate is over the seconds there were, at most rateWindow, from the first tick on; what
// a journal has of a session is no part of it.
func TestRateFromTheFirstSecond(t *testing.T) {
	for name, restored := range map[string]uint64{"new": 0, "taken up": 7000} {
		var l live
		if restored > 0 {
			l.restore(active, &recovered{total: counted{bytes: restored, messages: 70}}, time.Time{})
		}
		for second := 1; second <= 2*rateWindow; second++ {
			bytes := uint64(100)
			if second > rateWindow {
				bytes = 200
			}
			l.add(counted{bytes: bytes, messages: 1}, time.Time{})
			l.tick()
			want := 100 + 100*float64(max(second-rateWindow, 0))/rateWindow
			if v := l.snapshot(); v.bytesPerSecond != want || v.msgsPerSecond != 1 {
				t.Fatalf("%s, second %d: %v B/s and %v messages/s; want %v and 1", name, second, v.bytesPerSecond, v.msgsPerSecond, want)
			}
		}
	}
}
