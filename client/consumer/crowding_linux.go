package consumer

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// crowdingEvery is how long what was found out holds at least, and crowdingShare how many
	// times as long as it took to find out: there is a file to be read for each thread.
	crowdingEvery = 100 * time.Millisecond
	crowdingShare = 500
	// crowdedShare is how much of the time the threads of this process may wait for a
	// processor, all together, before there are too few of them.
	crowdedShare = 0.2
)

// crowding knows whether this process waits for processors: whether to do something
// beside the writers speeds them up or slows them down. It may be asked by several
// goroutines.
type crowding struct {
	threads string // pattern of the files that say it

	crowded atomic.Bool

	mu     sync.Mutex
	at     time.Time     // when it was looked at last; guarded by mu
	waited time.Duration // until then; guarded by mu
	took   time.Duration // how long that was; guarded by mu
}

func newCrowding() *crowding { return &crowding{threads: "/proc/self/task/*/schedstat"} }

// now reports whether the process had to wait in the time before. A system that does not
// say so is never crowded. It does not wait for another goroutine that is finding out.
func (c *crowding) now() bool {
	if c.mu.TryLock() {
		defer c.mu.Unlock()
		c.look()
	}
	return c.crowded.Load()
}

// look finds out, if it is time. The caller holds mu.
func (c *crowding) look() {
	now := time.Now()
	passed := now.Sub(c.at)
	if passed < max(crowdingEvery, crowdingShare*c.took) {
		return
	}
	waited := c.waits()
	c.crowded.Store(!c.at.IsZero() && float64(waited-c.waited) > crowdedShare*float64(passed))
	c.at, c.waited, c.took = now, waited, time.Since(now)
}

// waits returns how long the threads that there are have waited for a processor since they
// began, the second figure of each schedstat, in nanoseconds (the kernel's
// Documentation/scheduler/sched-stats.rst).
func (c *crowding) waits() (total time.Duration) {
	files, _ := filepath.Glob(c.threads) // the pattern is good
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		var ran, waited int64
		if _, err := fmt.Sscan(string(data), &ran, &waited); err == nil {
			total += time.Duration(waited)
		}
	}
	return total
}
