package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// inboxNotes bounds what waits for a processor; then its link waits, then its
	// handler, then the client: back-pressure.
	inboxNotes = 32
	// gatherMost is how many batches one journal append takes at most.
	gatherMost = 32
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
	noteCut
	noteDrain
	noteRunOver
)

// note is one thing a processor is told.
type note struct {
	kind    noteKind
	link    *link
	batch   *bulkheadv1.SealedBatch // noteBatch
	lastSeq uint64                  // noteGoodbye
	cause   string                  // noteCut, noteDrain, noteRunOver
	breach  bool                    // noteCut: the client broke the protocol
	exited  *bulkheadv1.Record      // noteCut: HandlerExited
	within  time.Duration           // noteDrain
}

// processor is the goroutine that owns one session: it validates, removes
// duplicates, journals, folds into the live figures and acknowledges.
type processor struct {
	run    *run
	number uint32
	id     string
	hello  *bulkheadv1.Hello // without the token
	log    *slog.Logger
	inbox  chan note
	done   chan struct{} // closed when the processor has ended
	live   live

	// The rest belongs to Run's goroutine.
	phase   phase
	durable uint64
	link    *link // nil when not active
	lie     error // what link's handler did that no honest one does; nil if nothing
	drain   *bulkheadv1.Drain
	grace   *time.Timer
	owed    []*bulkheadv1.Record // not yet in the journal
	owing   *time.Timer          // runs while owed is not empty
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
	for {
		select {
		case n := <-p.inbox:
			p.take(ctx, n)
		case <-p.grace.C:
			p.step(graceOver, nil, fmt.Sprintf("no connection for %s", p.run.cfg.Session.Grace))
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
	now := time.Now().UnixNano()
	for _, r := range recs {
		r.TimeUnixNano = now
	}
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
			p.step(connected, n.link, errReplaced.Error())
		case noteBatch:
			following = p.batches(n)
		case noteGoodbye:
			p.goodbye(n)
		case noteCut:
			p.cut(n)
			p.owe(n.exited)
		case noteDrain:
			p.askToDrain(n)
		case noteRunOver:
			p.step(runOver, nil, n.cause)
		}
		if following == nil {
			return
		}
		n = *following
	}
}

// batches journals and acknowledges n and the batches that wait behind it, and
// returns the first note that is not one.
func (p *processor) batches(n note) (following *note) {
	var recs []*bulkheadv1.Record
	var counts []counted
	last := p.durable
	for {
		rec, c, err := p.check(n, last)
		if err != nil {
			p.distrust(n.link, err)
			break
		}
		if rec != nil {
			recs, counts, last = append(recs, rec), append(counts, c), n.batch.GetLastSeq()
		}
		if len(recs) == gatherMost {
			break
		}
		select {
		case n = <-p.inbox:
			if n.kind == noteBatch {
				continue
			}
			following = &n
		default:
		}
		break
	}
	if len(recs) == 0 {
		return following
	}
	if !p.record(recs...) {
		return following // the run ends; nothing may be acknowledged
	}
	p.durable = last
	for _, c := range counts {
		p.live.add(c, time.Now())
	}
	if p.link != nil {
		p.link.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Ack{Ack: &bulkheadv1.Ack{Seq: last}}})
	}
	return following
}

// check says what a batch adds after last: a record and its figures, nothing if
// it is not the current connection's, or an error if the handler lies.
func (p *processor) check(n note, last uint64) (*bulkheadv1.Record, counted, error) {
	b := n.batch
	if n.link != p.link || p.phase != active || p.lie != nil {
		return nil, counted{}, nil // of a connection that was replaced or dropped: it will be sent again
	}
	if b.GetFirstSeq() != last+1 || b.GetLastSeq() < b.GetFirstSeq() {
		return nil, counted{}, fmt.Errorf("%w: the handler sent messages %d to %d where %d was next", errLied, b.GetFirstSeq(), b.GetLastSeq(), last+1)
	}
	c, err := scan(b.GetBatch(), b.GetFirstSeq(), b.GetLastSeq())
	if err != nil {
		return nil, counted{}, fmt.Errorf("%w: the handler sent a batch as messages %d to %d: %w", errLied, b.GetFirstSeq(), b.GetLastSeq(), err)
	}
	rec := &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
		Session: p.number, FirstSeq: b.GetFirstSeq(), LastSeq: b.GetLastSeq(), Batch: b.GetBatch(),
	}}}
	return rec, c, nil
}

func (p *processor) goodbye(n note) {
	if n.link != p.link || p.lie != nil {
		return
	}
	if n.lastSeq != p.durable {
		p.distrust(n.link, fmt.Errorf("%w: the handler relayed a Goodbye after message %d; %d is durable", errLied, n.lastSeq, p.durable))
		return
	}
	p.step(goodbye, nil, "said goodbye")
}

// distrust drops the current connection, whose handler lied. Nothing that it still
// says is believed.
func (p *processor) distrust(l *link, lie error) {
	p.lie = lie
	l.distrust(lie)
}

func (p *processor) cut(n note) {
	if n.link != p.link {
		return
	}
	e, cause := cut, n.cause
	switch {
	case p.lie != nil:
		cause = p.lie.Error()
	case n.breach:
		e = breach
	}
	p.step(e, nil, cause)
	p.link = nil
}

func (p *processor) askToDrain(n note) {
	p.drain = &bulkheadv1.Drain{Reason: n.cause, WithinNano: int64(n.within)}
	if p.link != nil {
		p.link.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Drain{Drain: p.drain}})
	}
}

// step moves the session on and does what the transition asks. from is the new
// connection, for the event connected.
func (p *processor) step(e event, from *link, cause string) {
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
		case recordAttach:
			recs = append(recs, p.attachRecord(from))
		case recordDetach:
			recs = append(recs, p.detachRecord(old, cause))
		case recordEnd:
			recs = append(recs, p.endRecord(now, cause))
		case startGrace:
			p.grace.Reset(p.run.cfg.Session.Grace)
		case stopGrace:
			p.grace.Stop()
		case dropLink:
			old.drop(errReplaced)
		case welcome:
			p.link, p.lie = from, nil
			afterwards = append(afterwards, func() { p.welcome(from) })
		case finishOK:
			afterwards = append(afterwards, func() { p.link.finish(codes.OK, "") })
		case finishOver:
			afterwards = append(afterwards, func() { p.link.finish(codes.FailedPrecondition, cause) })
		case refuse:
			from.finish(codes.FailedPrecondition, fmt.Sprintf("this session is over: %s (%s)", now, p.live.snapshot().cause))
		}
	}
	// An outcome must be in the journal before the client is told; a connection need
	// not be, because Welcome promises only what is durable already.
	if !now.ended() {
		p.owe(recs...)
	} else if !p.record(recs...) {
		return
	}
	for _, do := range afterwards {
		do()
	}
	p.publish(was, now, cause)
}

// publish tells the log, the status and the run what became of the session.
func (p *processor) publish(was, now phase, cause string) {
	if was.ended() {
		return // its cause is the one it ended with
	}
	p.live.state(now, cause, p.link)
	switch {
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

func (p *processor) welcome(l *link) {
	l.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Welcome{Welcome: &bulkheadv1.Welcome{
		RunId: p.run.id, SessionId: p.id, ResumeAfter: p.durable, Limits: p.run.limits(), WallClockUnixNano: time.Now().UnixNano(),
	}}})
	if p.drain != nil {
		l.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Drain{Drain: p.drain}})
	}
}

func (p *processor) openRecord() *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionOpened{SessionOpened: &bulkheadv1.SessionOpened{
		Session: p.number, SessionId: p.id, Hello: p.hello,
	}}}
}

func (p *processor) attachRecord(l *link) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionAttached{SessionAttached: &bulkheadv1.SessionAttached{
		Session: p.number, ConnectionId: l.id, HandlerPid: int32(l.child.Pid()), Peer: l.peer, ResumeAfter: p.durable,
		ClientWallClockUnixNano: l.clock,
	}}}
}

func (p *processor) detachRecord(l *link, cause string) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDetached{SessionDetached: &bulkheadv1.SessionDetached{
		Session: p.number, ConnectionId: l.id, Cause: cause,
	}}}
}

func (p *processor) endRecord(now phase, cause string) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{SessionEnded: &bulkheadv1.SessionEnded{
		Session: p.number, Outcome: now.outcome(), Cause: cause, LastSeq: p.durable,
	}}}
}
