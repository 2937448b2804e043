package supervisor

import (
	"context"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/reserve"
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
	noteDrainAlone
	noteRunOver
	noteSilent
	noteOusted
	noteBegin
	noteStage
	noteLeave
	noteShare
	noteLeft // nothing but that retire may be asked again
)

// note is one thing a processor is told. Each session has room for many of them, nearly all of
// which are batches: what only others need is apart.
type note struct {
	kind    noteKind
	link    *link
	batch   *bulkheadv1.SealedBatch // noteBatch
	room    reserve.Room            // noteBatch, noteResent: what it took of the memory for all inboxes
	lastSeq uint64                  // noteGoodbye
	*told                           // noteResent, noteCut, the drains, noteOusted, noteRunOver, noteBegin; else nil
}

// told is what is seldom told.
type told struct {
	resent *bulkheadv1.Resent     // noteResent
	cause  string                 // noteCut, noteDrain, noteDrainAlone, noteOusted, noteRunOver
	class  bulkheadv1.DetachClass // noteCut
	frame  []byte                 // noteCut: what the handler was at work on as it died
	exited *bulkheadv1.Record     // noteCut: HandlerExited
	until  time.Time              // noteDrain
	begins *moment                // noteBegin
	// connection is a noteCut's: the number of a connection that has no link, because
	// its handler did not outlive the last supervisor.
	connection uint64
}

// post gives a note to the processor, waiting for room. It gives up when ctx is
// done or the processor has ended.
func (p *processor) post(ctx context.Context, n note) {
	if !p.enter() {
		return
	}
	defer p.leave()
	select {
	case p.inbox <- n:
	case <-p.done:
	case <-ctx.Done():
	}
}

// enter is called by whoever is not Run before it looks at the inbox, and sees to it that there is
// one until leave. It returns false when the run has let go of every link.
func (p *processor) enter() bool {
	p.door.Lock()
	defer p.door.Unlock()
	if p.retired {
		if p.run.procCtx.Err() != nil {
			return false
		}
		p.retired, p.inbox = false, make(chan note, inboxNotes)
		p.run.procs.Go(func() { p.Run(p.run.procCtx) })
	}
	p.visitors++
	return true
}

// look does what enter does, for a caller that brings the session nothing: one that has ended it lets be. It returns
// false then. So nothing starts Run while the run waits for the last one.
func (p *processor) look() bool {
	p.door.Lock()
	defer p.door.Unlock()
	if p.retired {
		return false
	}
	p.visitors++
	return true
}

func (p *processor) leave() {
	p.door.Lock()
	defer p.door.Unlock()
	if p.visitors--; p.visitors > 0 || !p.held {
		return
	}
	p.held = false
	select {
	case p.inbox <- note{kind: noteLeft}:
	default: // Run has others to act on, and asks again
	}
}

// retire reports whether Run may return, because the session has ended and nobody has a word for
// it: most never will, and thousands may have ended while their run continues. Whoever has one all
// the same starts Run again.
func (p *processor) retire() bool {
	if !p.phase.ended() && !p.gone || p.link != nil || len(p.owed) > 0 {
		return false
	}
	p.door.Lock()
	defer p.door.Unlock()
	if p.visitors > 0 || len(p.inbox) > 0 {
		p.held = p.visitors > 0
		return false
	}
	p.retired, p.inbox = true, nil
	p.live.over()
	return true
}
