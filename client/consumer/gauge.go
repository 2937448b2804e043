package consumer

import (
	"sync/atomic"
	"time"
)

// gauge knows whether one goroutine is inside the kernel, and since when. The
// goroutine calls enter and leave around every system call; anyone may call stuck.
type gauge struct {
	epoch time.Time
	// entered is 1 ns more than the time from epoch to the enter in force, in
	// nanoseconds; 0 outside the kernel.
	entered atomic.Int64
	_       [40]byte // keeps the gauges of two writers out of one cache line
}

func newGauge() *gauge { return &gauge{epoch: time.Now()} }

// enter notes that a system call begins and returns its start, for leave.
func (g *gauge) enter() time.Duration {
	start := time.Since(g.epoch)
	g.entered.Store(int64(start) + 1)
	return start
}

// leave notes that the system call begun at start has returned, and returns how
// long it took.
func (g *gauge) leave(start time.Duration) time.Duration {
	took := time.Since(g.epoch) - start
	g.entered.Store(0)
	return took
}

// call makes one system call, and returns how long it took.
func (g *gauge) call(do func() error) (time.Duration, error) {
	start := g.enter()
	err := do()
	return g.leave(start), err
}

// stuck returns how long the system call in flight has been in the kernel; 0
// when there is none.
func (g *gauge) stuck() time.Duration {
	entered := g.entered.Load()
	if entered == 0 {
		return 0
	}
	return time.Since(g.epoch) - time.Duration(entered-1)
}
