package pool

import (
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// freeEnds is how many handlers in a row may end as soon as they serve before others are started
	// later: as many as one session takes with it (handler.poison_limit).
	freeEnds = 3
	// endsMemory is how long ago one ended that is not in a row with the next.
	endsMemory = time.Minute
	// provenFor is for how long a handler that serves shows that those that end are ended by what
	// their clients send: then no other client is to wait for it.
	provenFor = time.Minute
	// servedMost is the longest wait where no handler has served, and all that ended had a client. It
	// may be the program, and it may be clients of many addresses; who comes beside those waits no
	// longer for it.
	servedMost = 500 * time.Millisecond
)

// ends counts the handlers in a row that ended as soon as they served, or before.
type ends struct {
	inRow int
	alone int // of those, without a client: nothing but the program can be the cause
	last  time.Time
	cause string    // of the last one
	proof time.Time // when a handler was last seen to serve; zero if none was
}

// bad counts one more, unless it says nothing of others.
func (e *ends) bad(now time.Time, cause string, hadClient bool) {
	if hadClient && !e.proof.IsZero() && now.Sub(e.proof) < provenFor {
		return
	}
	if now.Sub(e.last) > endsMemory {
		e.inRow, e.alone = 0, 0
	}
	e.inRow++
	if !hadClient {
		e.alone++
	}
	e.last, e.cause = now, cause
}

// wait returns how long others wait to be started after so many failures.
func (e ends) wait(failures int, random float64) time.Duration {
	wait := respawn.After(failures, random)
	if e.alone == 0 {
		wait = min(wait, servedMost)
	}
	return wait
}

// EndedEarly tells that a handler ended by itself as soon as it served a client, or before it had one.
// Beyond a few in a row, others are started later, until one serves.
func (p *Pool) EndedEarly(cause string, hadClient bool) {
	p.mu.Lock()
	p.ends.bad(p.now(), cause, hadClient)
	p.mu.Unlock()
	p.nudge()
}

// Serves tells that a handler does what it is for.
func (p *Pool) Serves() {
	p.mu.Lock()
	had := p.ends.inRow
	p.ends = ends{proof: p.now()}
	p.mu.Unlock()
	if had > freeEnds {
		p.nudge()
	}
}

// nudge has Run look at what has changed.
func (p *Pool) nudge() {
	select {
	case p.wake <- struct{}{}:
	default: // it is going to
	}
}

// early returns how many handlers in a row ended as soon as they served, how long others wait after so
// many, and why the last one did.
func (p *Pool) early() (inRow int, wait func(failures int) time.Duration, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.ends
	wait = func(failures int) time.Duration { return e.wait(failures, rand.Float64()) }
	return e.inRow, wait, errors.New(e.cause)
}
