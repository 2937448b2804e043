package watch

import (
	"sync"
	"time"
)

// LookEvery is how often a run looks whether it is running at all.
const LookEvery = time.Second

// Uptime tells how long this process was not running: stopped, suspended or without
// processor time. Time that it was not there for is no fault of its clients: while it
// is away they cannot come back.
type Uptime struct {
	mu      sync.Mutex
	looked  time.Time            // guarded by mu
	lost    time.Duration        // guarded by mu
	without func() time.Duration // what else is lost in all; nil for nothing
}

// NewUptime begins to look at now.
func NewUptime(now time.Time) *Uptime { return &Uptime{looked: now} }

// Without adds a time in which the process was running to no use, as its journal was not there: in all, up to
// now. It is called before anything else.
func (u *Uptime) Without(lost func() time.Duration) { u.without = lost }

// Look returns how long the process has not been running in all. Somebody calls it at
// least every LookEvery; a gap of more than three times that is lost time.
func (u *Uptime) Look(now time.Time) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	if gap := now.Sub(u.looked); gap > 3*LookEvery {
		u.lost += gap - LookEvery
	}
	u.looked = now
	if u.without != nil {
		return u.lost + u.without()
	}
	return u.lost
}

// After calls f in a goroutine of its own after d in which the process was running,
// unless the timer is stopped first.
func (u *Uptime) After(d time.Duration, f func()) *time.Timer {
	mark := u.Look(time.Now())
	ready := make(chan struct{})
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		<-ready
		lost := u.Look(time.Now())
		if late := lost - mark; late > 0 {
			mark = lost
			t.Reset(late)
			return
		}
		f()
	})
	close(ready)
	return t
}
