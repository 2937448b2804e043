package session

import (
	"time"

	"bulkhead/internal/backoff"
)

const (
	// backoffFirst and backoffMost bound the wait between two connections.
	backoffFirst = 200 * time.Millisecond
	backoffMost  = 5 * time.Second
	// askedMost bounds the wait that a supervisor asks for.
	askedMost = time.Minute
	// askedJitter is the largest share that is added to such a wait, so that those
	// who were sent away together do not come back together.
	askedJitter = 0.25
	// shedTimes is how many connect timeouts a client tries for that is sent away
	// by a supervisor which says when to come back: it is there, only busy.
	shedTimes = 10
)

// tries decides when to connect again, and when no more. It is pure: the clock and
// the dice are the caller's.
type tries struct {
	timeout  time.Duration // until the first Welcome
	began    time.Time
	deadline time.Time // for the first Welcome; each "retry after" moves it
	shed     bool      // it was moved
	welcomed bool
	failed   int       // connections in a row without an ack
	lost     time.Time // when the last welcomed connection ended
}

func newTries(timeout time.Duration, now time.Time) *tries {
	return &tries{timeout: timeout, began: now, deadline: now.Add(timeout)}
}

// patience is how long the next connection may take to its Welcome.
func (t *tries) patience(now time.Time) time.Duration {
	if t.welcomed {
		return welcomeTimeout
	}
	return min(welcomeTimeout, t.deadline.Sub(now))
}

// next is how long to wait after a connection that came as far as that and ended
// for the reason why; over says that there is no time left. away bounds the time
// without a connection after the first Welcome; 0 does not.
func (t *tries) next(now time.Time, far reached, why retryable, away time.Duration, random float64) (wait time.Duration, over bool) {
	t.failed++
	if far.acked {
		t.failed = 1
	}
	if far.welcomed {
		t.welcomed, t.lost = true, now
	}
	if why.after > 0 {
		wait = min(time.Duration(float64(min(why.after, askedMost))*(1+askedJitter*random)), askedMost)
		t.shed = true
		t.deadline = earlier(t.began.Add(shedTimes*t.timeout), now.Add(wait+t.timeout))
	} else {
		wait = backoff.Policy{First: backoffFirst, Most: backoffMost}.After(t.failed, random)
	}
	deadline := t.deadline
	if t.welcomed {
		if away == 0 {
			return wait, false
		}
		deadline = t.lost.Add(away)
	}
	left := deadline.Sub(now)
	if left <= backoffFirst {
		return 0, true
	}
	return min(wait, left-backoffFirst/2), false
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
