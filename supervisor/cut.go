package supervisor

import (
	"errors"
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/conduct"
)

// drop drops the current connection for what its handler sent.
func (p *processor) drop(l *link, why error) {
	if !errors.Is(why, errLostAcknowledged) {
		p.distrust(l, why)
		return
	}
	p.lie = why // nothing that follows fits
	l.log.Error("a session cannot continue", "error", why)
	l.drop(why)
}

// distrust drops the current connection, whose handler lied. Nothing that it still
// says is believed.
func (p *processor) distrust(l *link, lie error) {
	p.lie = lie
	l.distrust(lie)
}

// cut takes note of the end of a connection. That of one that was replaced, or never
// the session's, changes nothing.
func (p *processor) cut(n note) {
	adriftWith := func(connection uint64) bool { return p.phase == adrift && connection == p.connection }
	switch {
	case n.link == nil && !adriftWith(n.connection):
		return
	case n.link != nil && n.link != p.link && !adriftWith(n.link.id):
		p.excessBefore(n)
		return
	}
	if n.link != nil {
		p.heard = max(p.heard, n.link.heard.Load())
	}
	e, cause, class := cut, n.cause, n.class
	if p.lie != nil {
		cause, class = p.lie.Error(), bulkheadv1.DetachClass_DETACH_CLASS_HANDLER
		if errors.Is(p.lie, errLostAcknowledged) {
			class = bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR
		}
	}
	x := n.exited.GetHandlerExited()
	switch {
	case conduct.Suspicious(x):
		p.frame = n.frame
		if p.poison.Killed(p.durable) >= p.run.cfg.Handler.PoisonLimit {
			e, cause = poisoned, p.poisonCause(cause)
		}
	case class == bulkheadv1.DetachClass_DETACH_CLASS_BREACH:
		e = breach
	case class == bulkheadv1.DetachClass_DETACH_CLASS_LIMIT && n.link != nil &&
		p.excess.Again(n.link.reached()) >= conduct.MostExcess:
		e, cause = breach, excessCause(cause)
	}
	p.step(e, nil, cause, class)
	p.link = nil
}

// reached returns the last message that was durable when the connection began or became so over it.
// The processor calls it.
func (l *link) reached() uint64 { return max(l.welcomed, l.acked.Load()) }

func excessCause(cause string) string {
	return fmt.Sprintf("%d times in a row: %s", conduct.MostExcess, cause)
}

// excessBefore counts a connection that another took the place of before its end was known: a
// client that comes again at once is no exception.
func (p *processor) excessBefore(n note) {
	if n.class != bulkheadv1.DetachClass_DETACH_CLASS_LIMIT || p.phase != active ||
		p.excess.Again(n.link.reached()) < conduct.MostExcess {
		return
	}
	current := p.link
	p.step(breach, nil, excessCause(n.cause), bulkheadv1.DetachClass_DETACH_CLASS_LIMIT)
	current.finish(refusing(p.phase, p.over()))
	p.link = nil
}
