package supervisor

import (
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// excessLimit is how often a client may send what is larger than it may be, with nothing more
// of it durable in between: one that can send less does so the next time, and another would
// use up a handler each time for as long as it likes.
const excessLimit = 3

// excess counts the connections that ended so.
type excess struct {
	after uint64 // the last durable message then
	count int    // 0 if none did
}

// again notes one, over which messages up to durable had come, and returns how many it makes.
func (e *excess) again(durable uint64) int {
	if e.count == 0 || e.after != durable {
		*e = excess{after: durable}
	}
	e.count++
	return e.count
}

// reached is the last message that was durable when the connection began or became so over it.
// The processor calls it.
func (l *link) reached() uint64 { return max(l.welcomed, l.acked.Load()) }

func excessCause(cause string) string {
	return fmt.Sprintf("%d times in a row: %s", excessLimit, cause)
}

// excessBefore counts a connection that another took the place of before its end was known: a
// client that comes again at once is no exception.
func (p *processor) excessBefore(n note) {
	if n.class != bulkheadv1.DetachClass_DETACH_CLASS_LIMIT || p.phase != active || p.excess.again(n.link.reached()) < excessLimit {
		return
	}
	current := p.link
	p.step(breach, nil, excessCause(n.cause), bulkheadv1.DetachClass_DETACH_CLASS_LIMIT)
	current.finish(refusing(p.phase, p.over()))
	p.link = nil
}
