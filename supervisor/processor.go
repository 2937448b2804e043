package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc/codes"

	"bulkhead/internal/boottime"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
)

const (
	// inboxNotes bounds what waits for a processor; then its link waits, then its
	// handler, then the client: back-pressure.
	inboxNotes = 32
	// gatherMost is how many batches one journal append takes at most.
	gatherMost = 32
	// gatherBytes is from how many bytes on an append takes no further batch.
	gatherBytes = 2 << 20
	// inboxBytes bounds the batches that wait for a processor, in bytes: what the
	// journal is behind with one session. The largest frame there can be fits.
	inboxBytes = maxFrame
	// oweFor is how long a record that nobody waits for may wait for one that
	// somebody does, to share its fsync.
	oweFor = 10 * time.Millisecond
)

// noteKind is what a processor is told.
type noteKind uint8

const (
	noteConnected noteKind = iota
	noteBatch
	noteGoodbye
	noteResent
	noteCut
	noteDrain
	noteRunOver
	noteSilent
)

// note is one thing a processor is told.
type note struct {
	kind    noteKind
	link    *link
	batch   *bulkheadv1.SealedBatch // noteBatch
	room    int64                   // noteBatch: what it took of the memory for all inboxes
	resent  *bulkheadv1.Resent      // noteResent
	lastSeq uint64                  // noteGoodbye
	cause   string                  // noteCut, noteDrain, noteRunOver
	class   bulkheadv1.DetachClass  // noteCut
	frame   []byte                  // noteCut: what the handler was at work on as it died
	exited  *bulkheadv1.Record      // noteCut: HandlerExited
	until   time.Time               // noteDrain
	// connection is a noteCut's: the number of a connection that has no link, because
	// its handler did not outlive the last supervisor.
	connection uint64
}

// processor is the goroutine that owns one session: it validates, removes
// duplicates, journals, folds into the live figures and acknowledges.
type processor struct {
	run    *run
	number uint32
	id     string
	hello  *bulkheadv1.Hello // what tells the client from others; the rest is in the journal
	log    *slog.Logger
	inbox  chan note
	done   chan struct{}       // closed when the processor has ended
	note   string              // why its client does not count; "" if it does; set before Run
	room   *semaphore.Weighted // for the bytes of batches in the inbox
	// waiting is how many batches are in the inbox, on their way into it or being journalled.
	waiting atomic.Int64
	live    live
	// awaySince is when the client of a session that is away was last heard, by boottime.
	awaySince atomic.Int64
	quiet     *quiet
	serving   atomic.Pointer[link] // as link, for who is not Run's goroutine; nil when not active
	busy      atomic.Bool          // a note is acted on

	// The rest belongs to Run's goroutine.
	whole      *bulkheadv1.Hello // the Hello that begins the session, until it is recorded; without the token
	phase      phase
	durable    uint64
	holder     holder
	digests    raw.Digests
	told       contradictions
	link       *link      // nil when not active
	connection uint64     // number of the last connection that was attached
	source     netip.Addr // of that connection
	awaited    time.Time  // since when the gate lets its client in whatever else comes from source; zero if it does not
	stuck      bool       // a record could not be made durable: the run ends
	lie        error      // what link's handler did that no honest one does; nil if nothing
	poison     poison
	excess     excess
	frame      []byte            // what the last handler that poison counts was at work on
	drain      *bulkheadv1.Drain // without its time
	drainBy    time.Time
	grace      *time.Timer
	lost       time.Duration        // what uptime said as grace was started
	used       time.Duration        // of the grace time, by a supervisor before this one
	least      time.Duration        // of the grace time, all the same
	heard      int64                // when the client was heard last, as far as the journal knows; by boottime
	owed       []*bulkheadv1.Record // not yet in the journal
	owing      *time.Timer          // runs while owed is not empty
}

// newProcessor is a session that hello began; who recovers one has no more of that than
// ofClient.
func newProcessor(r *run, number uint32, id string, hello *bulkheadv1.Hello) *processor {
	return &processor{
		run: r, number: number, id: id, hello: ofClient(hello), whole: hello,
		log:   r.log.With("client", hello.GetName(), "session", id),
		inbox: make(chan note, inboxNotes), done: make(chan struct{}), room: semaphore.NewWeighted(inboxBytes),
		quiet: newQuiet(hello, r.cfg.Session.Grace),
	}
}

// post gives a note to the processor, waiting for room. It gives up when ctx is
// done or the processor has ended.
func (p *processor) post(ctx context.Context, n note) {
	select {
	case p.inbox <- n:
	case <-p.done:
	case <-ctx.Done():
	}
}

// Run serves the session until ctx is done, which is when the run has let go of
// every link.
func (p *processor) Run(ctx context.Context) {
	defer close(p.done)
	p.grace, p.owing = stoppedTimer(), stoppedTimer()
	defer p.grace.Stop()
	defer p.owing.Stop()
	if p.phase == away { // since a supervisor before this one
		p.startGrace(p.used, p.least)
	}
	p.await(p.phase == away)
	defer p.await(false)
	for {
		select {
		case n := <-p.inbox:
			p.busy.Store(true)
			p.take(ctx, n)
			p.busy.Store(false)
		case <-p.grace.C:
			if late := p.run.uptime.Look(time.Now()) - p.lost; late > 0 {
				p.lost += late
				p.grace.Reset(late) // nobody could come back while this process was not running
				continue
			}
			p.step(graceOver, nil, p.absence(), 0)
		case <-p.owing.C:
			p.record()
		case <-ctx.Done():
			p.takeRest(ctx)
			p.record()
			return
		}
	}
}

// takeRest acts on what was posted before the end: the last links' ends.
func (p *processor) takeRest(ctx context.Context) {
	for {
		select {
		case n := <-p.inbox:
			p.take(ctx, n)
		default:
			return
		}
	}
}

// stoppedTimer is a timer that does not run yet.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(0)
	t.Stop()
	return t
}

// record makes what is owed and then recs durable.
func (p *processor) record(recs ...*bulkheadv1.Record) bool {
	p.owing.Stop()
	recs = append(p.owed, recs...)
	p.owed = nil
	return len(recs) == 0 || p.run.record(recs...)
}

// owe leaves recs to the next record, or to the journal soon.
func (p *processor) owe(recs ...*bulkheadv1.Record) {
	if len(recs) == 0 {
		return
	}
	date(recs)
	p.owed = append(p.owed, recs...)
	p.owing.Reset(oweFor)
}

// take acts on one note. Batches that wait are gathered into one append; the note
// that ended the gathering is acted on next.
func (p *processor) take(ctx context.Context, n note) {
	for {
		var following *note
		switch n.kind {
		case noteConnected:
			p.connected(n.link)
		case noteBatch:
			following = p.batches(n)
		case noteGoodbye:
			p.goodbye(n)
		case noteResent:
			p.resent(n)
		case noteCut:
			p.cut(n)
			switch x := n.exited.GetHandlerExited(); {
			case x == nil:
			case suspicious(x):
				p.record(n.exited) // counts also after the supervisor's own death
			default:
				p.owe(n.exited)
			}
		case noteDrain:
			p.askToDrain(n)
		case noteSilent:
			p.fellSilent(n.link)
		case noteRunOver:
			p.step(runOver, nil, n.cause, bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR)
			if p.phase == closed && p.link != nil {
				p.link.finish(answer{}) // it may not have heard so yet
			}
		}
		if following == nil {
			return
		}
		n = *following
	}
}

// refuse drops the current connection for what its handler sent.
func (p *processor) refuse(l *link, why error) {
	if !errors.Is(why, errLostAcknowledged) {
		p.distrust(l, why)
		return
	}
	p.lie = why // nothing that follows fits
	l.log.Error("a session cannot go on", "error", why)
	l.drop(why)
}

// distrust drops the current connection, whose handler lied. Nothing that it still
// says is believed.
func (p *processor) distrust(l *link, lie error) {
	p.lie = lie
	l.distrust(lie)
}

// connected takes a connection up that has said the session's Hello.
func (p *processor) connected(l *link) {
	e := connected
	switch {
	case !l.adopted || p.phase.ended():
	case l.id == p.connection && p.phase == adrift:
		e = reattached
	case l.id <= p.connection:
		// The session lost this connection before or since the restart: the client may
		// have another one already, which its old handler must not take away.
		l.drop(errReplaced)
		return
	}
	if !l.adopted && !p.phase.refuses() {
		if why := p.holder.other(l.hello, p.phase == active, p.durable); why != "" {
			p.inUse(l, why)
			return
		}
	}
	p.step(e, l, errReplaced.Error(), bulkheadv1.DetachClass_DETACH_CLASS_REPLACED)
	if p.phase == closed {
		p.conclude(l)
	}
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
	case suspicious(x):
		p.frame = n.frame
		if p.poison.killed(p.durable) >= p.run.cfg.Handler.PoisonLimit {
			e, cause = poisoned, p.poisonCause(cause)
		}
	case class == bulkheadv1.DetachClass_DETACH_CLASS_BREACH:
		e = breach
	case class == bulkheadv1.DetachClass_DETACH_CLASS_LIMIT && n.link != nil && p.excess.again(n.link.reached()) >= excessLimit:
		e, cause = breach, excessCause(cause)
	}
	p.step(e, nil, cause, class)
	p.link = nil
}

func (p *processor) askToDrain(n note) {
	p.drain, p.drainBy = &bulkheadv1.Drain{Reason: n.cause}, n.until
	p.quiet.finish()
	if p.link != nil {
		p.passDrain(p.link)
	}
}

// passDrain asks a client to end its load, in the time that is left.
func (p *processor) passDrain(l *link) {
	d := &bulkheadv1.Drain{Reason: p.drain.GetReason(), WithinNano: max(1, int64(time.Until(p.drainBy)))}
	l.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Drain{Drain: d}})
}

// step moves the session on and does what the transition asks. from is the new
// connection, for the event connected.
//
// class says why a connection is given up, where the transition gives one up.
func (p *processor) step(e event, from *link, cause string, class bulkheadv1.DetachClass) {
	was := p.phase
	now, actions := next(was, e)
	p.phase = now
	var recs []*bulkheadv1.Record
	var afterwards []func()
	old := p.link
	for _, a := range actions {
		switch a {
		case recordOpen:
			recs = append(recs, p.openRecord())
			p.whole = nil
		case recordAttach:
			if e != reattached { // that is the same connection, whose client has its Welcome
				p.holder.welcomed(from.hello)
			}
			p.await(false) // of the address before
			p.source = sourceOf(from.peer)
			if e != reattached {
				p.quiet.attached(boottime.Now())
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
				p.link.finish(answer{code: codes.FailedPrecondition, reason: bulkheadv1.Reason_REASON_RUN_OVER, text: cause})
			})
		case refuse:
			from.finish(refusing(now, p.over()))
		}
	}
	// An outcome must be in the journal before the client is told; a connection need
	// not be, because Welcome promises only what is durable already.
	if !now.ended() {
		p.owe(recs...)
	} else {
		failpoint.Hit("supervisor/before-session-ended")
		if !p.record(recs...) {
			return
		}
		failpoint.Hit("supervisor/after-session-ended")
	}
	for _, do := range afterwards {
		do()
	}
	p.publish(was, now, cause)
}

// over says how and where the session ended.
func (p *processor) over() protocol.SessionOver {
	return protocol.SessionOver{Outcome: p.phase.outcome(), After: p.durable, Run: p.run.id, Cause: p.live.snapshot().cause}
}

// refusing is how a client is told that its session has ended.
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

// publish tells the log, the status and the run what became of the session.
func (p *processor) publish(was, now phase, cause string) {
	if was.ended() {
		return // its cause is the one it ended with
	}
	p.await(now == away)
	if now == active {
		p.serving.Store(p.link)
	} else {
		p.serving.Store(nil)
	}
	p.live.state(now, cause, p.link, was == adrift && p.link != nil && p.link.adopted)
	switch {
	case was == adrift && now == active:
		p.log.Info("client is kept", "peer", p.link.peer, "handler_pid", p.link.child.Pid(), "goes_on_after", p.durable)
	case was == away && now == active:
		p.log.Info("client is back", "peer", p.link.peer, "handler_pid", p.link.child.Pid(), "resumes_after", p.durable)
	case now == away && was != now:
		p.log.Warn("client is away", "cause", cause, "durable", p.durable)
	case now.ended():
		level := slog.LevelInfo
		if now != closed {
			level = slog.LevelWarn
		}
		p.log.Log(context.Background(), level, "session ended", "outcome", now.String(), "cause", cause, "messages", p.durable)
		p.run.sessionEnded(p, now)
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
	l.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Welcome{Welcome: &bulkheadv1.Welcome{
		RunId: p.run.id, SessionId: p.id, ResumeAfter: p.durable, Limits: p.run.told(),
		WallClockUnixNano: now.UnixNano(), ElapsedNano: boottime.At(now),
		ProtocolVersion: protocol.Version, ProtocolMinor: protocol.Minor, SupervisorVersion: p.run.cfg.Version,
		Connection: p.holder.welcomes, Closed: p.phase == closed,
	}}})
	if l.adopted { // its client gets no second Welcome, and may never have had the ack of what was durable
		l.ack(p.durable)
	}
	if p.drain != nil && p.phase != closed {
		p.passDrain(l)
	}
}
