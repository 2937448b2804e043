package consumer

import (
	"time"

	"bulkhead/internal/backoff"
)

// timerGrain is how much too late a Go timer may fire on an idle machine: the
// runtime waits for timers in whole milliseconds, and the process may have a slack of four.
const timerGrain = 6 * time.Millisecond

// clock lets one writer wait for points in time. All writers of a consumer count from
// the same start.
type clock struct {
	start time.Time
	due   <-chan struct{}     // ends every wait
	nap   func(time.Duration) // waits more exactly than a timer, for up to timerGrain
	timer *time.Timer
}

func newClock(start time.Time, e *ending, nap func(time.Duration)) *clock {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &clock{start: start, due: e.due, nap: nap, timer: timer}
}

// now returns the time since the start.
func (c *clock) now() time.Duration { return time.Since(c.start) }

// until waits for that time since the start. It returns false, at once, when the
// writer has to stop.
func (c *clock) until(at time.Duration) bool { return c.within(nil, at) }

// within waits as until does, and also returns false when the stage is over, whose channel that is.
func (c *clock) within(over <-chan struct{}, at time.Duration) bool {
	left := at - c.now()
	if left > timerGrain {
		c.timer.Reset(left - timerGrain)
		select {
		case <-c.timer.C:
		case <-c.due:
			c.timer.Stop()
			return false
		case <-over:
			c.timer.Stop()
			return false
		}
		left = at - c.now()
	}
	for left > 0 {
		c.nap(left)
		left = at - c.now()
	}
	return !isClosed(c.due) && !isClosed(over)
}

// retry is how long to pause between files after failures in a row.
var retry = backoff.Policy{First: 100 * time.Millisecond, Most: 5 * time.Second}
