package watch

import (
	"testing"
	"time"
)

// Only a gap that no busy machine makes is a pause, and it is never measured too long.
func TestPauses(t *testing.T) {
	p := NewPauses(1e15)
	now := p.looked
	for _, gap := range []time.Duration{PauseEvery, time.Second, pauseLeast, time.Hour, PauseEvery} {
		now += int64(gap)
		want := gap - PauseEvery
		if want < pauseLeast {
			want = 0
		}
		if got := p.Look(now); got != want {
			t.Errorf("after %v: paused for %v; want %v", gap, got, want)
		}
	}
}
