package supervisor

import (
	"context"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/barrier"
	"bulkhead/supervisor/gather"
)

// end gives every session that has none its outcome, lets go of every connection
// and stops the processors. After it only the journal is open.
func (r *run) end(cause string) {
	r.mu.Lock()
	r.closing, r.endsFor = true, cause
	sessions := append([]*processor(nil), r.order...)
	r.mu.Unlock()
	for _, p := range sessions {
		p.post(r.procCtx, note{kind: noteRunOver, told: &told{cause: cause}})
	}
	r.stop()
}

// stop lets go of every connection and stops the processors, which have been told what becomes of their sessions.
func (r *run) stop() {
	// Who never said a Hello is let go of at once. Clients that were told how it
	// ends get a moment to hear it; a stopped one must not hold the run up.
	r.sendAgentsOn()
	r.dropLinks(func(l *link) bool { return l.processor.Load() == nil && !l.agentic.Load() })
	flushed := make(chan struct{})
	go func() { // ends when the links have, below
		r.running.Wait()
		close(flushed)
	}()
	hurry := time.AfterFunc(flushTimeout, func() { r.dropLinks(func(*link) bool { return true }) })
	<-flushed
	hurry.Stop()
	r.stopProc()
	r.procs.Wait()
	r.farewell.Wait()
	r.recordShed()
	r.seal()
}

// flushTimeout is how long connections may last after the end of their run.
const flushTimeout = 3 * time.Second

// dropLinks ends the connections that which names.
func (r *run) dropLinks(which func(*link) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.links {
		if which(l) {
			l.drop(errRunOver)
		}
	}
}

// startDrain asks every client to end its load; it returns how many sessions were
// open. Clients that are away are told when they return.
func (r *run) startDrain(cause bulkheadv1.DrainCause, reason string) int {
	rec := &bulkheadv1.Record{Entry: &bulkheadv1.Record_DrainStarted{DrainStarted: &bulkheadv1.DrainStarted{
		Reason: reason, WithinNano: max(int64(r.cfg.DrainTimeout), 1), Cause: cause,
	}}}
	// If it cannot be recorded the run ends anyway.
	if r.engine != nil { // which may not be there: the operator is heard all the same
		r.running.Go(func() { r.record(rec) })
	} else {
		r.record(rec)
	}
	return r.drain(cause, reason, r.cfg.DrainTimeout)
}

// drain does what startDrain does without its record, for clients that have left to end.
func (r *run) drain(cause bulkheadv1.DrainCause, reason string, left time.Duration) int {
	by := time.Now().Add(left)
	r.mu.Lock()
	r.closing, r.drained, r.drainBy, r.drainCause = true, reason, by, cause
	r.cycle.drain()
	if r.gathering.machine != nil {
		r.gathering.machine.Take(gather.Drained, 0, "")
	}
	open := r.cycle.open
	sessions := append([]*processor(nil), r.order...)
	r.mu.Unlock()
	for _, p := range sessions {
		p.post(r.procCtx, note{kind: noteDrain, told: &told{cause: reason, until: by}})
	}
	r.wake()
	return open
}

// drainLeft returns how long clients that are asked to end their load still have.
func (r *run) drainLeft() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Until(r.drainBy)
}

// drainReason returns why a drain was asked for; "" if none was.
func (r *run) drainReason() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drained
}

// askToDrain asks the client to end its load. If it was asked to alone, before, its time goes on.
func (p *processor) askToDrain(n note) {
	p.drain = &bulkheadv1.Drain{Reason: n.cause}
	if p.drainOver == nil || n.until.Before(p.drainBy) {
		p.drainBy = n.until
	}
	p.quiet.Finish()
	if p.link != nil {
		p.passDrain(p.link)
	}
}

// drainClient asks the clients of this name that have not ended to end their load, now or when
// they come back. It returns how many there are.
func (r *run) drainClient(ctx context.Context, name, reason string) int {
	open := 0
	for _, p := range r.processors() {
		if now := p.live.snapshot().phase; p.hello.GetName() != name || now == fresh || now.ended() {
			continue
		}
		open++
		p.post(ctx, note{kind: noteDrainAlone, told: &told{cause: reason, until: time.Now().Add(r.cfg.DrainTimeout)}})
	}
	return open
}

// drainAlone asks the client to end its load, unless it was asked before. It has until then: the
// rest of the run does not wait for it longer.
func (p *processor) drainAlone(n note) {
	if p.drain != nil || p.phase == fresh || p.phase.ended() {
		return
	}
	p.log.Info("client is drained", "reason", n.cause)
	if !p.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDrained{SessionDrained: &bulkheadv1.SessionDrained{
		Session: p.number, Reason: clipped(n.cause), WithinNano: max(int64(time.Until(n.until)), 1),
	}}}) {
		return
	}
	p.run.gatherHears(gather.Excused, p)
	p.togetherHears(func(s *barrier.Set) { s.Take(barrier.Out, p.number) })
	p.askToDrain(n)
	p.limitDrain()
}

// limitDrain ends the session when the time is over in which its client is to end.
func (p *processor) limitDrain() {
	p.drainLost = p.run.engineMissed()
	p.drainOver = time.NewTimer(max(0, time.Until(p.drainBy)))
}

// drainIsLate lets that time go on by as long as the journal's engine was not there in it, and reports whether
// it was not.
func (p *processor) drainIsLate() bool {
	missed := p.run.engineMissed()
	late := missed - p.drainLost
	if p.drainLost = missed; late > 0 {
		p.drainOver.Reset(late)
	}
	return late > 0
}

// drainIsOver returns what receives when that time is over; nil if there is no such time.
func (p *processor) drainIsOver() <-chan time.Time {
	if p.drainOver == nil {
		return nil
	}
	return p.drainOver.C
}

func (p *processor) stopDrainOver() {
	if p.drainOver != nil {
		p.drainOver.Stop()
	}
}

// passDrain asks a client to end its load, in the time that is left.
func (p *processor) passDrain(l *link) {
	d := &bulkheadv1.Drain{Reason: p.drain.GetReason(), WithinNano: max(1, int64(time.Until(p.drainBy)))}
	l.send.put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Drain{Drain: d}})
}

// lifecycle decides when a run is over. It is pure: its owner feeds it what
// happens and asks.
type lifecycle struct {
	expected int // clients that must join
	joined   int // of these
	open     int // sessions without an outcome
	draining bool
	waived   bool // those that have not joined are not waited for
	// shared says that other supervisors may have sessions of the run, too: then everywhere is how many are
	// open, as they were counted last, and endedElsewhere says that another has ended the run.
	shared         bool
	everywhere     int
	endedElsewhere bool
}

// course is what a run should do now.
type course uint8

const (
	goOn   course = iota // clients are at work or still to come
	linger               // over, unless another client comes within the linger time
	finish               // over
)

func (l *lifecycle) sessionBegan() { l.open++ }
func (l *lifecycle) sessionEnded() { l.open-- }
func (l *lifecycle) drain()        { l.draining = true }

// course returns what the run should do now.
func (l *lifecycle) course() course {
	open := l.open
	if l.shared { // of its own some may have gone elsewhere
		open = l.everywhere
	}
	switch {
	case l.endedElsewhere:
		return finish
	case open > 0:
		return goOn
	case l.draining:
		return finish
	case l.joined >= l.expected || l.waived:
		return linger
	default:
		return goOn
	}
}
