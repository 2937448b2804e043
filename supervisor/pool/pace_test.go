package pool

import (
	"testing"
	"time"
)

// TestThePaceFollowsWhatIsTaken takes handlers one by one, in bursts and at a rate.
func TestThePaceFollowsWhatIsTaken(t *testing.T) {
	const ms = time.Millisecond
	every := func(n int, gap time.Duration) (at []time.Duration) {
		for i := range n {
			at = append(at, time.Duration(i)*gap)
		}
		return at
	}
	for _, tt := range []struct {
		name       string
		size       int
		processors int
		taken      []time.Duration
		at         time.Duration // after the last was taken
		have       int
		keep       int
		starts     int
		delay      time.Duration
		resting    bool
	}{
		{name: "nothing was ever taken", size: 4, processors: 2, have: 4, keep: 4, starts: 2, delay: refillDelay,
			resting: true},
		{name: "one was taken", size: 4, processors: 2, taken: every(1, 0), have: 3, keep: 4, starts: 2,
			delay: refillDelay},
		{name: "one was taken of one", size: 1, processors: 2, taken: every(1, 0), keep: 1, starts: 2},
		{name: "a pool that is less than half full", size: 4, processors: 2, taken: every(3, ms), have: 1, keep: 4,
			starts: 2},
		{name: "two a second", size: 4, processors: 2, taken: every(20, 500*ms), have: 3, keep: 4, starts: 2,
			delay: refillDelay},
		{name: "a burst", size: 4, processors: 2, taken: every(16, ms/2), keep: 7, starts: 4},
		{name: "a burst on one processor", size: 4, processors: 1, taken: every(16, ms/2), keep: 7, starts: 2},
		{name: "a burst, a moment later", size: 4, processors: 2, taken: every(16, ms/2), at: 300 * ms, have: 4,
			keep: 4, starts: 3, delay: refillDelay},
		{name: "a burst, a second later", size: 4, processors: 2, taken: every(16, ms/2), at: time.Second, have: 7,
			keep: 4, starts: 2, delay: refillDelay},
		{name: "a burst, two seconds later", size: 4, processors: 2, taken: every(16, ms/2), at: 2 * time.Second,
			have: 7, keep: 4, starts: 2, delay: refillDelay, resting: true},
		{name: "hundreds a second", size: 4, processors: 2, taken: every(400, 5*ms/2), have: 16, keep: 16, starts: 4},
		{name: "hundreds a second, many processors", size: 64, processors: 64, taken: every(800, 5*ms/2), have: 70,
			keep: 84, starts: 27},
		{name: "thousands a second, many processors", size: 64, processors: 64, taken: every(8000, ms/4), have: 70,
			keep: 256, starts: startsMost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Pace{Size: tt.size, Processors: tt.processors}
			now := time.Unix(1_700_000_000, 0)
			for _, at := range tt.taken {
				p.Took(now.Add(at))
			}
			if n := len(tt.taken); n > 0 {
				now = now.Add(tt.taken[n-1])
			}
			now = now.Add(tt.at)
			if got := p.Keep(now); got != tt.keep {
				t.Errorf("%d are kept; want %d", got, tt.keep)
			}
			if got := p.Starts(now); got != tt.starts {
				t.Errorf("%d start at once; want %d", got, tt.starts)
			}
			if got := p.Delay(now, tt.have); got != tt.delay {
				t.Errorf("the next one waits for %s; want %s", got, tt.delay)
			}
			if got := p.Resting(now); got != tt.resting {
				t.Errorf("resting = %t; want %t (%.2f/s)", got, tt.resting, p.rateAt(now))
			}
		})
	}
}
