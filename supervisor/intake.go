package supervisor

import (
	"context"
	"fmt"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/gather"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/reserve"
	"bulkhead/supervisor/share"
)

const (
	// gatherMost is how many batches one journal append takes at most.
	gatherMost = 32
	// gatherBytes is the size in bytes from which an append takes no further batch.
	gatherBytes = 2 << 20
)

// postMessages posts messages, and waits until the session may send them and their bytes have room.
// Its link reads nothing meanwhile: back-pressure.
func (p *processor) postMessages(ctx context.Context, n note) {
	load := n.load()
	if p.part.Take(ctx, load) != nil {
		return
	}
	if !p.tryPost(ctx, n) {
		p.part.Done(load)
	}
}

// tryPost posts messages as soon as their bytes have room, and reports whether it did.
func (p *processor) tryPost(ctx context.Context, n note) bool {
	if !p.enter() {
		return false
	}
	defer p.leave()
	size := int64(len(n.messages()))
	if p.room.Acquire(ctx, size) != nil {
		return false
	}
	var err error
	if n.room, err = p.run.inboxes.Take(ctx, size, p.waiting.Add(1) == 1); err == nil {
		select {
		case p.inbox <- n:
			return true
		case <-p.done:
		case <-ctx.Done():
		}
		p.run.inboxes.Give(n.room)
	}
	p.waiting.Add(-1)
	p.room.Release(size)
	return false
}

// messages returns the messages that a note brings, encoded.
func (n *note) messages() []byte {
	if n.kind == noteResent {
		return n.resent.GetBatch()
	}
	return n.batch.GetBatch()
}

// load returns what its messages count as. What the handler says of them is checked later.
func (n *note) load() share.Load {
	size := len(n.messages())
	if n.kind == noteResent {
		return share.Load{Batches: 1, Bytes: size}
	}
	said := n.batch.GetLastSeq() - n.batch.GetFirstSeq() + 1
	return share.Load{Batches: 1, Messages: int(min(said, uint64(size))), Bytes: size}
}

// letGo gives back the room of messages that are in memory no more: of the session's, of all
// sessions', and of what is on its way through the journal.
func (p *processor) letGo(load share.Load, shared reserve.Room) {
	p.waiting.Add(-int64(load.Batches))
	p.room.Release(int64(load.Bytes))
	p.run.inboxes.Give(shared)
	p.part.Done(load)
}

// batches journals and acknowledges n and the batches that wait behind it, and
// returns the first note that is not one.
func (p *processor) batches(n note) (following *note) {
	var recs []*bulkheadv1.Record
	var counts []raw.Counted
	last := p.durable
	var taken share.Load
	var shared reserve.Room
	defer func() { p.letGo(taken, shared) }()
	for {
		taken.Add(n.load())
		shared.Add(n.room)
		rec, c, err := p.check(n, last)
		if err != nil {
			p.drop(n.link, err)
			break
		}
		if rec != nil {
			recs, counts, last = append(recs, rec), append(counts, c), n.batch.GetLastSeq()
		}
		if len(recs) == gatherMost || taken.Bytes >= gatherBytes {
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
	for _, c := range counts {
		if c.Stopped {
			p.quiet.Finish()
		}
		if c.Chunks > 0 {
			p.quiet.Wrote(boottime.Now())
		}
	}
	p.owe(p.spoke(boottime.Now(), true)...) // before what it says
	failpoint.Hit("supervisor/before-append")
	if !p.record(recs...) {
		return following // nothing may be acknowledged
	}
	failpoint.Hit("supervisor/before-ack")
	p.durable = last
	p.holder.Heard()
	for i, c := range counts {
		p.live.add(c, time.Now())
		p.begun = p.begun || c.Begun
		if c.Ready {
			failpoint.Hit("supervisor/ready-durable")
			p.run.gatherHears(gather.Ready, p)
		}
		p.stagesHear(c)
		if c.Stopped {
			p.divideStopped()
		}
		b := recs[i].GetSessionBatch()
		p.digests.Add(b.GetBatch(), b.GetFirstSeq(), b.GetLastSeq())
	}
	if p.link != nil {
		p.run.proven(p.link)
		p.link.ack(last)
		failpoint.Hit("supervisor/after-ack")
	}
	for i, c := range counts {
		if c.Timed {
			p.live.addWrites(recs[i].GetSessionBatch().GetBatch())
		}
		if c.ReadsTimed {
			p.live.addReads(recs[i].GetSessionBatch().GetBatch())
		}
	}
	return following
}

// check returns what a batch adds after last: a record and its figures, nothing if it is not the
// current connection's, or an error if the handler lies.
func (p *processor) check(n note, last uint64) (*bulkheadv1.Record, raw.Counted, error) {
	b := n.batch
	if n.link == p.link && p.phase == closed && b.GetFirstSeq() > p.durable {
		p.afterGoodbye(n.link, b.GetLastSeq())
	}
	if n.link != p.link || p.phase != active || p.lie != nil || p.stuck {
		return nil, raw.Counted{}, nil // of a connection that was replaced or dropped: it will be sent again
	}
	if n.link.adopted && p.run.damagedEnd && b.GetFirstSeq() > last+1 {
		return nil, raw.Counted{}, fmt.Errorf("%w: messages %d to %d are missing", errLostAcknowledged, last+1,
			b.GetFirstSeq()-1)
	}
	if b.GetFirstSeq() != last+1 || b.GetLastSeq() < b.GetFirstSeq() {
		return nil, raw.Counted{}, fmt.Errorf("%w: the handler sent messages %d to %d where %d was next", raw.ErrLied,
			b.GetFirstSeq(), b.GetLastSeq(), last+1)
	}
	c, err := raw.Scan(b.GetBatch(), b.GetFirstSeq(), b.GetLastSeq())
	if err != nil {
		return nil, raw.Counted{}, fmt.Errorf("%w: the handler sent a batch as messages %d to %d: %w", raw.ErrLied,
			b.GetFirstSeq(), b.GetLastSeq(), err)
	}
	rec := &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionBatch{SessionBatch: &bulkheadv1.SessionBatch{
		Session: p.number, FirstSeq: b.GetFirstSeq(), LastSeq: b.GetLastSeq(), Batch: b.GetBatch(),
	}}}
	return rec, c, nil
}

func (p *processor) goodbye(n note) {
	if n.link != p.link || p.lie != nil || p.stuck {
		return
	}
	switch {
	case p.phase == closed && n.lastSeq > p.durable:
		p.afterGoodbye(n.link, n.lastSeq)
	case p.phase == closed:
		p.step(goodbye, nil, "", 0)
	case p.phase != active:
		// The session ended while this was on its way, which its client is being told.
	case n.lastSeq < p.durable && !n.link.adopted:
		p.disown(n.link, inUse,
			fmt.Sprintf("its Goodbye says that it has sent %d messages, and %d of this client are durable", n.lastSeq,
				p.durable))
	case n.lastSeq != p.durable:
		p.distrust(n.link, fmt.Errorf("%w: the handler relayed a Goodbye after message %d; %d is durable", raw.ErrLied,
			n.lastSeq, p.durable))
	default:
		p.holder.Heard()
		p.step(goodbye, nil, "said goodbye", 0)
	}
}
