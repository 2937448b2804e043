package supervisor

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/boottime"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// step moves the session on and does what the transition asks. from is the new
// connection, for the event connected.
//
// class says why a connection is given up, where the transition gives one up.
func (p *processor) step(e event, from *link, cause string, class bulkheadv1.DetachClass) {
	if p.stuck { // nothing that becomes of it now can be told
		return
	}
	was := p.phase
	now, actions := next(was, e)
	p.phase = now
	var recs []*bulkheadv1.Record
	var afterwards []func()
	old := p.link
	for _, a := range actions {
		switch a {
		case recordAttach:
			if e != reattached { // that is the same connection, whose client has its Welcome
				p.holder.Welcomed(from.hello)
			}
			p.await(false) // of the address before
			p.source = sourceOf(from.peer)
			if e != reattached {
				p.quiet.Attached(boottime.Now())
			}
			recs = append(recs, p.attachRecord(from))
		case recordDetach:
			silent := p.silence(old, class)
			p.awaySince.Store(boottime.Now() - int64(silent))
			recs = append(recs, p.spoke(boottime.Now(), false)...)
			recs = append(recs, p.detachRecord(class, cause, silent))
		case recordEnd:
			recs = append(recs, p.spoke(boottime.Now(), false)...)
			recs = append(recs, p.endRecord(now, cause))
		case startGrace:
			p.startGrace(0, 0)
		case stopGrace:
			p.grace.Stop()
		case dropLink:
			old.drop(errReplaced)
		case welcome:
			p.link, p.lie = from, nil
			afterwards = append(afterwards, func() { p.welcome(from) })
		case finishOK:
			afterwards = append(afterwards, func() { p.link.finish(answer{}) })
		case finishOver:
			afterwards = append(afterwards, func() {
				p.link.finish(answer{code: codes.FailedPrecondition, reason: bulkheadv1.Reason_REASON_RUN_OVER,
					text: cause})
			})
		case finishLost:
			over := p.over()
			over.Cause = cause
			afterwards = append(afterwards, func() { p.link.finish(refusing(now, over)) })
		case refuse:
			from.finish(refusing(now, p.over()))
		}
	}
	// An outcome must be in the journal before the client is told; a connection need
	// not be, because Welcome promises only what is durable already. But where another supervisor may
	// have the session, only an append tells whether what is known here of that still holds.
	if !now.ended() {
		if p.run.others == nil || was == fresh || !slices.Contains(actions, welcome) {
			p.owe(recs...)
		} else if !p.record(recs...) {
			return
		}
	} else {
		failpoint.Hit("supervisor/before-session-ended")
		if !p.record(recs...) {
			p.phase = was
			return
		}
		failpoint.Hit("supervisor/after-session-ended")
	}
	for _, do := range afterwards {
		do()
	}
	p.publish(was, now, cause)
}

// over returns how and where the session ended.
func (p *processor) over() protocol.SessionOver {
	return protocol.SessionOver{Outcome: p.phase.outcome(), After: p.durable, Run: p.run.id,
		Cause: p.live.snapshot().cause}
}

// refusing returns how a client is told that its session has ended.
func refusing(p phase, over protocol.SessionOver) answer {
	a := answer{code: codes.FailedPrecondition, about: over.Metadata(), text: over.String()}
	switch p {
	case quarantined:
		a.code, a.reason = codes.DataLoss, bulkheadv1.Reason_REASON_SESSION_QUARANTINED // it must not send that again
	case rejected:
		a.reason = bulkheadv1.Reason_REASON_SESSION_REJECTED
	default:
		a.reason = bulkheadv1.Reason_REASON_SESSION_LOST
	}
	return a
}

// publish passes what became of the session to the log, the status and the run.
func (p *processor) publish(was, now phase, cause string) {
	if was.ended() {
		return // its cause is the one it ended with
	}
	p.await(now == away)
	p.gatherStep(was, now)
	p.togetherStep(now)
	p.divideStep(now)
	p.part.Present(now == active)
	if now == active {
		p.serving.Store(p.link)
	} else {
		p.serving.Store(nil)
	}
	p.live.state(now, cause, p.link, was == adrift && p.link != nil && p.link.adopted)
	switch {
	case was == adrift && now == active:
		p.log.Info("client is kept", "peer", p.link.peer, "handler_pid", p.link.child.Pid(),
			"continues_after", p.durable)
	case was == away && now == active:
		p.log.Info("client is back", "peer", p.link.peer, "handler_pid", p.link.child.Pid(), "resumes_after", p.durable)
	case now == away && was != now:
		p.log.Warn("client is away", "cause", cause, "durable", p.durable)
	case now.ended():
		level := slog.LevelInfo
		if now != closed {
			level = slog.LevelWarn
		}
		p.log.Log(context.Background(), level, "session ended", "outcome", now.String(), "cause", cause,
			"messages", p.durable)
		p.run.sessionEnded(p)
	case was == fresh:
		p.log.Info("client joined", "peer", p.link.peer, "handler_pid", p.link.child.Pid())
	}
}

// await tells the gate whether the session's client is away and expected back.
func (p *processor) await(away bool) {
	switch {
	case away && p.awaited.IsZero():
		p.awaited = time.Now()
		p.run.gate.Expect(p.source, p.awaited)
	case !away && !p.awaited.IsZero():
		p.run.gate.ExpectNot(p.source, p.awaited)
		p.awaited = time.Time{}
	}
}

func (p *processor) welcome(l *link) {
	now := time.Now()
	l.welcomed = p.durable
	l.send.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Welcome{Welcome: &bulkheadv1.Welcome{
		RunId: p.run.id, SessionId: p.id, ResumeAfter: p.durable, Limits: p.run.told(),
		WallClockUnixNano: now.UnixNano(), ElapsedNano: boottime.At(now),
		ProtocolVersion: protocol.Version, ProtocolMinor: protocol.Minor, SupervisorVersion: p.run.cfg.Version,
		Connection: p.holder.Welcomes, Closed: p.phase == closed,
		Gathers: p.waits() && !p.begun && p.phase != closed, GatherLeftNano: p.run.gatherLeft(),
		Supervisors: p.run.cfg.Peers,
	}}})
	failpoint.Hit("supervisor/welcomed")
	if l.adopted { // its client gets no second Welcome, and may never have had the ack of what was durable
		l.ack(p.durable)
	}
	if p.phase != closed {
		p.passBegin(l)
		p.passStage(l)
		p.passShare(l)
	}
	if p.drain != nil && p.phase != closed {
		p.passDrain(l)
	}
}
