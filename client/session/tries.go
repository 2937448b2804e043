package session

import (
	"time"

	"bulkhead/internal/backoff"
)

const (
	// backoffFirst and backoffMost bound the wait between two connections.
	backoffFirst = 200 * time.Millisecond
	backoffMost  = 5 * time.Second
	// askedLeast and askedMost bound the wait that a supervisor asks for.
	askedLeast = 200 * time.Millisecond
	askedMost  = time.Minute
	// askedTimes is how many connections in a row without an ack may end in a shorter wait than
	// this side would choose, because the supervisor asks for it.
	askedTimes = 10
	// askedBudget is how long a client that had its Welcome stays away in all because it was
	// asked to, until the next ack. After that the waits are this side's own.
	askedBudget = 2 * time.Minute
	// askedJitter is the largest share that is added to such a wait, so that those
	// who were sent away together do not come back together.
	askedJitter = 0.25
	// shedTimes is how many connect timeouts a client tries for that is sent away
	// by a supervisor which says when to come back: it is up, only busy.
	shedTimes = 10
)

// tries decides when to connect again, and when no more. It is pure: the clock and
// the dice are the caller's.
type tries struct {
	timeout  time.Duration // until the first Welcome
	began    time.Time
	deadline time.Time // for the first Welcome; each "retry after" moves it
	shed     bool      // it was moved
	heeded   bool      // the last wait was one that was asked for
	welcomed bool
	failed   int           // connections in a row without an ack
	lost     time.Time     // when the last connection ended that was of use
	asked    time.Duration // waits in a row without an ack that were asked for, since the Welcome
}

func newTries(timeout time.Duration, now time.Time) *tries {
	return &tries{timeout: timeout, began: now, deadline: now.Add(timeout)}
}

// patience returns how long the next connection may take to its Welcome.
func (t *tries) patience(now time.Time) time.Duration {
	if t.welcomed {
		return welcomeTimeout
	}
	return min(welcomeTimeout, t.deadline.Sub(now))
}

// next returns how long to wait after a connection that came as far as that and ended for the
// reason why; over says that there is no time left. away bounds the time without a connection of use
// after the first Welcome; 0 does not. more says that another address can be tried at once: all of
// those that are count as one connection, and there is no wait between them.
func (t *tries) next(now time.Time, far reached, why retryable, away time.Duration, more bool,
	random float64) (wait time.Duration, over bool) {
	if more && far.welcomed && !far.acked { // else two that take this client and do nothing for it had it for ever
		more, why.after = false, 0
	}
	if !more {
		t.failed++
	}
	if far.acked {
		t.failed, t.asked = 1, 0
	}
	switch {
	case far.acked || far.welcomed && !t.welcomed:
		t.welcomed, t.lost = true, now
	case far.welcomed: // and nothing came of it: only the time of the connection does not count
		t.lost = t.lost.Add(far.lasted)
	}
	wait = backoff.Policy{First: backoffFirst, Most: backoffMost}.After(t.failed, random)
	asked := why.after > 0 && t.asked < askedBudget
	if t.heeded = asked && !more; t.heeded {
		wait = t.heed(why.after, wait, random)
	}
	if more {
		wait = 0
		if far.acked { // so that those who were sent away together do not come together
			wait = time.Duration(random * float64(backoffFirst))
		}
	}
	if asked {
		t.shed = true
		t.deadline = earlier(t.began.Add(shedTimes*t.timeout), now.Add(wait+t.timeout))
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

// heed returns the wait that a supervisor asked for, within bounds; own is what this side would
// choose.
func (t *tries) heed(asked, own time.Duration, random float64) time.Duration {
	asked = min(max(asked, askedLeast), askedMost)
	wait := min(time.Duration(float64(asked)*(1+askedJitter*random)), askedMost)
	if t.failed > askedTimes && wait < own {
		wait, t.heeded = own, false
	}
	if t.welcomed {
		t.asked += wait
	}
	return wait
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
