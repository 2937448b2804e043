package supervisor

import (
	"context"
	"fmt"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
)

// postBatch is post for a batch: it waits until its bytes have room too.
func (p *processor) postBatch(ctx context.Context, n note) {
	size := int64(len(n.batch.GetBatch()))
	if p.room.Acquire(ctx, size) != nil {
		return
	}
	var err error
	if n.room, err = p.run.inboxes.Take(ctx, size, p.waiting.Add(1) == 1); err != nil {
		p.waiting.Add(-1)
		p.room.Release(size)
		return
	}
	select {
	case p.inbox <- n:
		return
	case <-p.done:
	case <-ctx.Done():
	}
	p.letGo(1, size, n.room)
}

// letGo gives back the room of batches that are in memory no more: their bytes, and how
// much of that was all sessions'.
func (p *processor) letGo(batches int, size, shared int64) {
	p.waiting.Add(-int64(batches))
	p.room.Release(size)
	p.run.inboxes.Give(shared)
}

// batches journals and acknowledges n and the batches that wait behind it, and
// returns the first note that is not one.
func (p *processor) batches(n note) (following *note) {
	var recs []*bulkheadv1.Record
	var counts []raw.Counted
	last, taken := p.durable, 0
	var batches int
	var shared int64
	defer func() { p.letGo(batches, int64(taken), shared) }()
	for {
		batches++
		taken += len(n.batch.GetBatch())
		shared += n.room
		rec, c, err := p.check(n, last)
		if err != nil {
			p.refuse(n.link, err)
			break
		}
		if rec != nil {
			recs, counts, last = append(recs, rec), append(counts, c), n.batch.GetLastSeq()
		}
		if len(recs) == gatherMost || taken >= gatherBytes {
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
			p.quiet.finish()
		}
		if c.Chunks > 0 {
			p.quiet.wrote(boottime.Now())
		}
	}
	p.owe(p.spoke(boottime.Now(), true)...) // before what it says
	failpoint.Hit("supervisor/before-append")
	if !p.record(recs...) {
		p.stuck = true // the run ends; nothing may be acknowledged, and nobody is to blame
		return following
	}
	failpoint.Hit("supervisor/before-ack")
	p.durable = last
	p.holder.heard()
	for i, c := range counts {
		p.live.add(c, time.Now())
		b := recs[i].GetSessionBatch()
		p.digests.Add(b.GetBatch(), b.GetFirstSeq(), b.GetLastSeq())
	}
	if p.link != nil {
		p.link.ack(last)
		failpoint.Hit("supervisor/after-ack")
	}
	for i, c := range counts {
		if c.Timed {
			p.live.addWrites(recs[i].GetSessionBatch().GetBatch())
		}
	}
	return following
}

// check says what a batch adds after last: a record and its figures, nothing if
// it is not the current connection's, or an error if the handler lies.
func (p *processor) check(n note, last uint64) (*bulkheadv1.Record, raw.Counted, error) {
	b := n.batch
	if n.link == p.link && p.phase == closed && b.GetFirstSeq() > p.durable {
		p.afterGoodbye(n.link, b.GetLastSeq())
	}
	if n.link != p.link || p.phase != active || p.lie != nil || p.stuck {
		return nil, raw.Counted{}, nil // of a connection that was replaced or dropped: it will be sent again
	}
	if n.link.adopted && p.run.damagedEnd && b.GetFirstSeq() > last+1 {
		return nil, raw.Counted{}, fmt.Errorf("%w: messages %d to %d are missing", errLostAcknowledged, last+1, b.GetFirstSeq()-1)
	}
	if b.GetFirstSeq() != last+1 || b.GetLastSeq() < b.GetFirstSeq() {
		return nil, raw.Counted{}, fmt.Errorf("%w: the handler sent messages %d to %d where %d was next", raw.ErrLied, b.GetFirstSeq(), b.GetLastSeq(), last+1)
	}
	c, err := raw.Scan(b.GetBatch(), b.GetFirstSeq(), b.GetLastSeq())
	if err != nil {
		return nil, raw.Counted{}, fmt.Errorf("%w: the handler sent a batch as messages %d to %d: %w", raw.ErrLied, b.GetFirstSeq(), b.GetLastSeq(), err)
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
		p.disown(n.link, inUse, fmt.Sprintf("its Goodbye says that it has sent %d messages, and %d of this client are durable", n.lastSeq, p.durable))
	case n.lastSeq != p.durable:
		p.distrust(n.link, fmt.Errorf("%w: the handler relayed a Goodbye after message %d; %d is durable", raw.ErrLied, n.lastSeq, p.durable))
	default:
		p.holder.heard()
		p.step(goodbye, nil, "said goodbye", 0)
	}
}
