package agent

import (
	"time"

	"bulkhead/internal/backoff"
)

// How long an agent waits between two connections.
var (
	again   = backoff.Policy{First: 200 * time.Millisecond, Most: 5 * time.Second}
	refused = backoff.Policy{First: 2 * time.Second, Most: 30 * time.Second}
)

const (
	// leastWait and mostWait bound a wait that a supervisor asks for.
	leastWait, mostWait = 50 * time.Millisecond, time.Minute
	// steadyAfter is how long a connection lasts that was a good one. Beyond patience shorter ones in a
	// row, welcomed or not, an agent waits longer each time, comes no sooner because it is asked to, and
	// says nothing more of them.
	steadyAfter = 2 * time.Second
	patience    = 10
)

// tries counts the connections that did not go well.
type tries struct {
	failed int // in a row, without a Welcome
	brief  int // in a row, with one or without
}

// many reports whether there were so many that nothing more is said of them.
func (t *tries) many() bool { return t.brief > patience }

// next returns how long to wait after a connection that lasted so long, and ended with the wish to come
// again after a time, 0 for none, or with a refusal; not at all if another address can be tried. random
// is in [0, 1).
func (t *tries) next(welcomed bool, lasted, after time.Duration, final, more bool, random float64) time.Duration {
	if more && !welcomed {
		return 0 // all of them count as one connection
	}
	if more {
		after = 0 // which is that one's alone
	}
	t.failed++
	if welcomed {
		t.failed = 1
	}
	t.brief++
	if lasted >= steadyAfter {
		t.brief = 0
	}
	policy := again
	if final {
		policy = refused
	}
	own := policy.After(max(t.failed, t.brief-patience), random)
	switch {
	case final || after <= 0:
		return own
	case t.many():
		return min(max(after, own), mostWait)
	default:
		return min(max(after, leastWait), mostWait)
	}
}
