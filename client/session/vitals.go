package session

import (
	"context"
	"sync"
	"time"
)

const (
	// VitalsTick is how often a client looks at its own clock.
	VitalsTick = time.Second
	// StarvedGap is the least time between two looks that counts as not having run;
	// all of it but one tick does then.
	StarvedGap = 3 * time.Second
	// gapsMax bounds how many such gaps are remembered.
	gapsMax = 64
)

// vitals know how long this process did not get to run – stopped, or without
// processor time – and when something last came from the supervisor, read or not.
// Both are told by the monotonic clock (CLOCK_MONOTONIC), which a step of the wall
// clock does not move and which stands still while the machine is suspended.
type vitals struct {
	mu      sync.Mutex
	ticked  time.Time     // guarded by mu; the last look
	heard   time.Time     // guarded by mu
	gaps    []gap         // guarded by mu; those that ended after heard, in order
	starved time.Duration // guarded by mu; in all
}

// gap is a time without running.
type gap struct{ from, to time.Time }

func newVitals(now time.Time) *vitals { return &vitals{ticked: now, heard: now} }

// run looks at the clock until ctx is done.
func (v *vitals) run(ctx context.Context) {
	ticker := time.NewTicker(VitalsTick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			v.tick(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// hear takes note that something came from the supervisor at that time.
func (v *vitals) hear(at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !at.After(v.heard) {
		return
	}
	v.heard = at
	for len(v.gaps) > 0 && !v.gaps[0].to.After(at) {
		v.gaps = v.gaps[1:]
	}
}

// tick looks at the clock once.
func (v *vitals) tick(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.look(now)
}

func (v *vitals) look(now time.Time) {
	if now.Sub(v.ticked) > StarvedGap {
		g := gap{from: v.ticked.Add(VitalsTick), to: now}
		v.starved += g.to.Sub(g.from)
		v.gaps = append(v.gaps, g)
		v.gaps = v.gaps[max(0, len(v.gaps)-gapsMax):]
	}
	v.ticked = now
}

// total returns how long the process did not get to run, in all.
func (v *vitals) total(now time.Time) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.look(now)
	return v.starved
}

// absent reports whether the process did not run for more than half of the time since
// something last came from the supervisor.
func (v *vitals) absent(now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.look(now)
	var missed time.Duration
	for _, g := range v.gaps {
		if g.from.Before(v.heard) {
			g.from = v.heard
		}
		missed += g.to.Sub(g.from)
	}
	return missed > 0 && 2*missed > now.Sub(v.heard)
}
