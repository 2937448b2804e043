package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/child"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/conduct"
	"bulkhead/supervisor/raw"
)

// cause returns, for a person, how the connection ended: in the handler's words, or by how the
// handler or its stream ended.
func (l *link) cause(exit child.Exit, err error) string { return clipped(l.rawCause(exit, err)) }

func (l *link) rawCause(exit child.Exit, err error) string {
	switch {
	case errors.Is(err, raw.ErrLied):
		return err.Error()
	case l.end != nil:
		return l.end.GetText()
	case errors.Is(err, errReplaced), errors.Is(err, errRunOver), errors.Is(err, errSilent), errors.Is(err, errUnended):
		return err.Error()
	case ownEnd(exit.Class()):
		return "handler " + exit.String()
	case err != nil:
		return err.Error()
	default:
		return "handler " + exit.String()
	}
}

// ownEnd reports whether an exit explains the end of the connection: the handler died of
// something, rather than because the connection was over.
func ownEnd(class bulkheadv1.ExitClass) bool {
	switch class {
	case bulkheadv1.ExitClass_EXIT_CLASS_CRASH, bulkheadv1.ExitClass_EXIT_CLASS_OOM,
		bulkheadv1.ExitClass_EXIT_CLASS_HANG,
		bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX, bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL,
		bulkheadv1.ExitClass_EXIT_CLASS_ORPHANED:
		return true
	default:
		return false
	}
}

// detachClass sorts how the connection ended.
func (l *link) detachClass(err error) bulkheadv1.DetachClass {
	switch {
	case errors.Is(err, raw.ErrLied):
		return bulkheadv1.DetachClass_DETACH_CLASS_HANDLER
	case errors.Is(err, errReplaced):
		return bulkheadv1.DetachClass_DETACH_CLASS_REPLACED
	case errors.Is(err, errRunOver):
		return bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR
	case l.end == nil:
		return bulkheadv1.DetachClass_DETACH_CLASS_HANDLER
	}
	switch l.end.GetClass() {
	case bulkheadv1.EndClass_END_CLASS_PROTOCOL, bulkheadv1.EndClass_END_CLASS_VERSION:
		return bulkheadv1.DetachClass_DETACH_CLASS_BREACH
	case bulkheadv1.EndClass_END_CLASS_LIMIT:
		return bulkheadv1.DetachClass_DETACH_CLASS_LIMIT
	case bulkheadv1.EndClass_END_CLASS_CLOSED_BY_CLIENT:
		return bulkheadv1.DetachClass_DETACH_CLASS_CLOSED_BY_CLIENT
	case bulkheadv1.EndClass_END_CLASS_TRANSPORT:
		return bulkheadv1.DetachClass_DETACH_CLASS_TRANSPORT
	case bulkheadv1.EndClass_END_CLASS_STREAM_ENDED:
		return bulkheadv1.DetachClass_DETACH_CLASS_STREAM_ENDED
	case bulkheadv1.EndClass_END_CLASS_SILENT:
		return bulkheadv1.DetachClass_DETACH_CLASS_SILENT
	case bulkheadv1.EndClass_END_CLASS_FINISHED, bulkheadv1.EndClass_END_CLASS_ORPHANED:
		return bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR
	default:
		return bulkheadv1.DetachClass_DETACH_CLASS_UNSPECIFIED
	}
}

// finishLink ends the handler, tells the session and journals the handler's end.
// It runs to its end also when ctx is done. A handler that is to outlive this
// supervisor is kept for the next one instead.
func (r *run) finishLink(ctx context.Context, l *link, err error) {
	if l.agent != "" {
		r.cfg.fleet.Leave(l.agent, agentLine{l})
	}
	if errors.Is(err, errUpgrading) && l.end == nil && l.child.Exit().Alive {
		r.keep(l)
		return
	}
	if l.child.Exit().Alive {
		r.pool.Threads.Saw(l.child.Pid())
	}
	exit := r.endHandler(ctx, l, err)
	r.judgeEnd(l, exit, err)
	cause := l.cause(exit, err)
	switch joined := l.processor.Load() != nil; {
	case l.agent != "": // it waits, and brings nothing
		if l.comesAndGoes(exit, err) {
			l.ticket.Idled(time.Now())
		}
	case !joined && !l.shed && !ownDoing(err):
		l.ticket.Wasted(time.Now())
	case !joined && !ownDoing(err), // it was sent away, and may come again; so may one that does nothing else
		joined && l.acked.Load() == 0 && !l.goodbye && (!ownDoing(err) || errors.Is(err, errReplaced)):
		l.ticket.Idled(time.Now())
	}
	if p := l.processor.Load(); p != nil && l.end == nil && ownEnd(exit.Class()) && !conduct.CrashedByClient(exit) {
		l.ticket.Excused(time.Now(), &p.returns, l.who)
	}
	l.ticket.Leave(time.Now(), conduct.CrashedByClient(exit))
	if exit.Class() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
		l.log.Warn("handler ended badly", "cause", exit.String())
	}
	frame, atWork := l.child.Box()
	exited := &bulkheadv1.HandlerExited{
		ConnectionId: l.id, Exit: exit.Proto(nil), Peer: l.peer, End: l.end.GetText(),
		ReceivedBytes: l.end.GetReceivedBytes(), Messages: l.end.GetMessages(), AtWork: atWork && l.end == nil,
		WindowExceeded: l.end.GetWindowExceeded(), LostAcknowledged: errors.Is(err, errLostAcknowledged),
	}
	r.setNoted(l, false)
	r.pool.Threads.Limit().Do(func() {
		if err := r.roster.Remove(l.id); err != nil {
			l.log.Error(err.Error())
		}
	})
	rec := &bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: exited}}
	if p := l.processor.Load(); p != nil {
		// The processor journals it, behind what it has to say of the session first.
		exited.Session = p.number
		p.post(context.WithoutCancel(ctx),
			note{kind: noteCut, link: l,
				told: &told{cause: cause, class: l.detachClass(err), frame: frame, exited: rec}})
		return
	}
	if l.agent != "" && exit.Class() == bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
		return // it has done what it was for, and that is not the run's
	}
	r.reject(l, l.claimant(), cause)
	r.record(rec)
}

// endHandler ends the handler as it deserves: in order after its End, at once when it
// lied or broke its stream and does not end by itself.
func (r *run) endHandler(ctx context.Context, l *link, err error) child.Exit {
	ctx = context.WithoutCancel(ctx)
	if errors.Is(err, raw.ErrLied) {
		return l.child.KillFor(bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL,
			strings.TrimPrefix(err.Error(), raw.ErrLied.Error()+": "))
	}
	grace := r.cfg.Handler.KillTimeout
	broken := l.end == nil && l.child.Exit().Alive
	if broken && !errors.Is(err, errLostAcknowledged) {
		grace = brokenGrace // it broke its stream; if it is not dying, it is not well
	}
	stopBy, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if broken && !ownDoing(err) {
		select {
		case <-l.child.Done():
		case <-time.After(brokenGrace / 2):
			if l.child.Ping(stopBy) != nil {
				return l.child.KillFor(bulkheadv1.ExitClass_EXIT_CLASS_HANG, "it broke its stream and does not answer")
			}
		}
	}
	return l.child.Stop(stopBy)
}

// comesAndGoes reports whether an agent has left, or come again, before it could have done anything.
func (l *link) comesAndGoes(exit child.Exit, err error) bool {
	left := !ownDoing(err) && l.end.GetClass() != bulkheadv1.EndClass_END_CLASS_FINISHED
	return (left || errors.Is(err, errReplaced)) && !l.taken.IsZero() && exit.Ended.Sub(l.taken) < steadyAgent
}

// ownDoing reports whether it was the supervisor that let go of a handler.
func ownDoing(err error) bool {
	return errors.Is(err, errReplaced) || errors.Is(err, errRunOver) || errors.Is(err, errUnended) ||
		errors.Is(err, errLostAcknowledged) || errors.Is(err, context.Canceled)
}

// brokenGrace is how long a handler that broke its stream may take to exit.
const brokenGrace = time.Second

// provenAfter is for how long a handler must have served for its end to say nothing of others.
const provenAfter = 10 * time.Second

// judgeEnd tells the pool how the handler of a link has ended: one that said why the connection ended,
// or had something made durable, has done what it is for. One that did neither and ended by itself
// is followed by others like it, if that is not its client's doing: the pool knows whether others serve.
func (r *run) judgeEnd(l *link, exit child.Exit, err error) {
	switch {
	case l.end != nil || l.acked.Load() > 0:
		r.pool.Serves()
	case !l.taken.IsZero() && !ownDoing(err) && exit.Ended.Sub(l.taken) < provenAfter:
		r.pool.EndedEarly(exit.String(), true)
	}
}

// provenEvery is how often the pool is told of a handler that goes on serving.
const provenEvery = time.Second

// proven tells the pool, now and then, that the handler of a link has had something made durable.
func (r *run) proven(l *link) {
	now := boottime.Now()
	if was := r.served.Load(); l.acked.Load() == 0 || now-was > int64(provenEvery) {
		r.served.Store(now)
		r.pool.Serves()
	}
}

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
	if !p.stuck {
		current.finish(refusing(p.phase, p.over()))
	}
	p.link = nil
}
