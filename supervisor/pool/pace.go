package pool

import (
	"math"
	"time"
)

const (
	// startsAtRest is how many handlers may be starting at the same time while hardly any is
	// taken, and startsMost bounds it otherwise: more than two a processor only wait for each
	// other.
	startsAtRest = 2
	startsMost   = 32
	// startsPerRate is how many more handlers a second must be taken for one more to start at
	// the same time.
	startsPerRate = 16
	// readyFor is for how long the handlers that are kept ready beyond the pool's size last at
	// the rate at which they are taken, and readyMost how many times the pool's size they may be.
	readyFor  = 50 * time.Millisecond
	readyMost = 3
	// rateMemory is how long ago handlers were taken that hardly count now.
	rateMemory = 250 * time.Millisecond
	// restRate is how many handlers a second are taken at rest, when those beyond the pool's size
	// are stopped again, and busyRate how many while nothing waits with starting others.
	restRate, busyRate = 0.5, 200
	// refillDelay is how long a pool that is at least half full leaves the processor to the
	// connection that has just taken a handler, before it starts the next.
	refillDelay = 10 * time.Millisecond
)

// Pace follows the rate at which handlers are taken, and says what the pool does at that rate.
// The clock is the caller's.
type Pace struct {
	Size       int // handlers that are kept ready at rest
	Processors int

	rate float64 // handlers a second, taken until at
	at   time.Time
}

// Took notes that a handler was taken.
func (p *Pace) Took(now time.Time) {
	p.rate, p.at = p.rateAt(now)+1/rateMemory.Seconds(), now
}

// rateAt returns how many handlers a second are taken.
func (p *Pace) rateAt(now time.Time) float64 {
	return p.rate * math.Exp(-now.Sub(p.at).Seconds()/rateMemory.Seconds())
}

// Keep returns how many handlers are to be ready, or starting.
func (p *Pace) Keep(now time.Time) int {
	return p.Size + min(readyMost*p.Size, int(p.rateAt(now)*readyFor.Seconds()))
}

// Starts returns how many handlers may be starting at the same time.
func (p *Pace) Starts(now time.Time) int {
	most := min(startsMost, max(startsAtRest, 2*p.Processors))
	return min(most, startsAtRest+int(p.rateAt(now)/startsPerRate))
}

// Delay returns how long the pool waits before it starts another handler, having so many.
func (p *Pace) Delay(now time.Time, have int) time.Duration {
	if 2*have < p.Size || p.rateAt(now) > busyRate {
		return 0
	}
	return refillDelay
}

// Resting reports whether handlers beyond the pool's size are no longer needed.
func (p *Pace) Resting(now time.Time) bool { return p.rateAt(now) < restRate }
