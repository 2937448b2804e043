package supervisor

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/protocol"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// elsewhereOf returns where a client may go that is sent away for a reason: to the peers, unless it
// is better off waiting here.
func (r *run) elsewhereOf(why bulkheadv1.Reason) []string {
	if why == bulkheadv1.Reason_REASON_RUN_CHANGING { // in a moment
		return nil
	}
	return r.cfg.Peers
}

// retryEarlier is when a client of an earlier run should come again that was not looked up.
const retryEarlier = 2 * time.Second

// elsewhere answers a client that continues a session of another run, and reports whether
// it was one: a session never continues in a run that it was not begun in. One that only did
// not hear that all is well is told so.
func (r *run) elsewhere(l *link, hello *bulkheadv1.Hello) bool {
	id := hello.GetRunId()
	if id == "" || id == r.id {
		return false
	}
	was, err := r.earlier.Look(time.Now(), filepath.Dir(r.dir), id)
	switch {
	case err != nil:
		r.shedClient(l, &answer{reason: bulkheadv1.Reason_REASON_OVERLOADED, text: err.Error(),
			retryAfter: retryEarlier})
		return true
	case was == nil:
		r.strangerTo(l, hello, answer{
			code: codes.FailedPrecondition, reason: bulkheadv1.Reason_REASON_RUN_UNKNOWN,
			about: map[string]string{reason.Run: r.id},
			text:  fmt.Sprintf("this supervisor knows nothing of run %.64q; its run is %s", id, r.id),
		})
		return true
	}
	s, known := was.Session([]byte(protocol.ShownID(hello.GetClientId())))
	over := answer{
		code: codes.FailedPrecondition, reason: bulkheadv1.Reason_REASON_RUN_OVER,
		about: map[string]string{reason.Run: id},
		text:  fmt.Sprintf("run %s is over, and has no session of this client", id),
	}
	switch {
	case !known:
	case s.Outcome == closed.String() && (hello.SentSeq == nil || hello.GetSentSeq() == s.LastSeq):
		l.settleElsewhere()
		now := time.Now()
		l.send.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Welcome{Welcome: &bulkheadv1.Welcome{
			RunId: id, SessionId: s.SessionID, ResumeAfter: s.LastSeq, Limits: r.told(),
			WallClockUnixNano: now.UnixNano(),
			Connection:        hello.GetLastConnection() + 1, Closed: true,
		}}})
		l.finish(answer{})
		l.log.Info("client is told that its session of an earlier run is closed", "client", hello.GetName(),
			"earlier_run", id)
		return true
	default:
		end := protocol.SessionOver{Outcome: protocol.OutcomeNamed(s.Outcome), After: s.LastSeq, Run: id,
			Cause: s.Cause}
		over.about = end.Metadata()
		over.text = fmt.Sprintf("run %s is over, and this session with it: %s after message %d (%s)", id, s.Outcome,
			s.LastSeq, s.Cause)
	}
	r.strangerTo(l, hello, over)
	return true
}

// strangerTo refuses a client of another run. This run misses nothing by that.
func (r *run) strangerTo(l *link, hello *bulkheadv1.Hello, why answer) {
	r.reject(l, claimant{hello, false, why.reason}, why.text)
	l.settleElsewhere()
	l.finish(why)
}

// settleElsewhere records that a connection is not this run's, and that its client has done nothing
// wrong.
func (l *link) settleElsewhere() { l.refused, l.shed = true, true }

// retryMoved is when a client should come again whose session another supervisor has taken.
const retryMoved = 50 * time.Millisecond

// isElsewhere is what a client is told then.
func (r *run) isElsewhere() answer {
	return answer{code: codes.Unavailable, reason: bulkheadv1.Reason_REASON_SESSION_MOVED,
		text: "this session continues with another supervisor of the run; connect again", retryAfter: retryMoved,
		elsewhere: r.cfg.Peers}
}

// unwritten is what a client is told whose session's journal cannot be written.
func (r *run) unwritten() answer {
	return answer{code: codes.Unavailable, reason: bulkheadv1.Reason_REASON_RUN_CHANGING,
		text: "the run's journal cannot be written, and the run ends here; connect again", retryAfter: retryNextRun,
		elsewhere: r.cfg.Peers}
}

// moved lets go of the session, which another supervisor has taken: nothing more of it is acknowledged
// here, and it has no outcome here.
func (p *processor) moved(why error) {
	if p.gone {
		return
	}
	p.gone, p.stuck, p.owed = true, true, nil
	p.owing.Stop()
	p.grace.Stop()
	p.stopDrainOver()
	p.await(false)
	p.serving.Store(nil)
	p.part.Present(false)
	p.log.Warn("the session is let go of", "reason", why)
	if p.link != nil {
		p.link.finish(p.run.isElsewhere())
		p.link = nil
	}
	if !p.live.snapshot().phase.ended() {
		p.run.forget(p)
	}
}

// forget makes a session unknown that continues elsewhere: its client may come back, and opens it again.
func (r *run) forget(p *processor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, by := range map[string]map[string]*processor{string(p.hello.GetClientId()): r.sessions,
		protocol.ShownID(p.hello.GetClientId()): r.shown} {
		if by[key] == p {
			delete(by, key)
		}
	}
	r.order = slices.DeleteFunc(r.order, func(o *processor) bool { return o == p })
	r.elsewhereNames[string(p.hello.GetClientId())] = p.hello.GetName()
	r.cycle.sessionEnded()
	r.wake()
}

// passOn takes a note for a session that continues elsewhere.
func (p *processor) passOn(n note) {
	switch n.kind {
	case noteConnected:
		n.link.finish(p.run.isElsewhere())
	case noteBatch, noteResent:
		p.letGo(n.load(), n.room)
	} // that its handler has ended is recorded by who has it
}
