package pool

import (
	"errors"
	"time"
)

const (
	// freeEnds is how many handlers in a row may end as soon as they serve before others are started
	// later: as many as one session takes with it (handler.poison_limit).
	freeEnds = 3
	// endsMemory is how long ago one ended that is not in a row with the next.
	endsMemory = time.Minute
)

// ends counts the handlers in a row that ended as soon as they served.
type ends struct {
	inRow int
	last  time.Time
	cause string // of the last one
}

// bad counts one more.
func (e *ends) bad(now time.Time, cause string) {
	if now.Sub(e.last) > endsMemory {
		e.inRow = 0
	}
	*e = ends{e.inRow + 1, now, cause}
}

// EndedEarly tells that a handler ended by itself as soon as it served, or before. Beyond a few in a
// row, handlers are started as slowly as where they do not start at all, until one serves.
func (p *Pool) EndedEarly(cause string) {
	p.mu.Lock()
	p.ends.bad(p.now(), cause)
	p.mu.Unlock()
	p.nudge()
}

// Serves tells that a handler does what it is for.
func (p *Pool) Serves() {
	p.mu.Lock()
	had := p.ends.inRow
	p.ends = ends{}
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

// early returns how many handlers in a row ended as soon as they served, and why the last one did.
func (p *Pool) early() (inRow int, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ends.inRow, errors.New(p.ends.cause)
}
