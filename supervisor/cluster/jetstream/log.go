package jetstream

import (
	"context"

	"errors"
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
)

// log is a session that was opened. One goroutine uses it.
type log struct {
	run     *Run
	client  []byte
	subject string
	appender
	head cluster.Head // of the newest message that is durable
	lost error        // why nothing more can be appended
	// ending is the work that ended the session, which is durable, and not in the register yet; nil if
	// there is nothing to be done.
	ending *work
}

// Append implements cluster.Log.
func (l *log) Append(ctx context.Context, h cluster.Head, recs ...*bulkheadv1.Record) error {
	if l.lost != nil {
		return l.lost
	}
	h.Session, h.Epoch, h.Supervisor = l.head.Session, l.head.Epoch, l.head.Supervisor
	frames, err := encode(recs)
	if err != nil {
		return err
	}
	about := fmt.Sprintf("%v", h)
	switch sum := sumOf(about, frames); {
	case l.ending != nil && l.ending.sum == sum:
		return l.register(ctx)
	case l.ending != nil:
		return errOther
	case l.undone == nil || l.undone.sum != sum:
		if err := cluster.Follows(l.head, h, recs); err != nil {
			return err
		}
	}
	w, err := l.newWork(about, frames, func(part, of, records int) message {
		if part < of-1 { // what is found behind a part of the records must be true
			return l.message(kindAppend, behind(l.head, recs[:records]))
		}
		return l.message(kindAppend, h)
	})
	if err != nil {
		return err
	}
	if err := l.do(ctx, w); err != nil {
		return l.failed(err)
	}
	if h.Ended() && !l.head.Ended() {
		l.ending = w
	}
	l.head = h
	return l.register(ctx)
}

// failed returns what the caller is told of an error.
func (l *log) failed(err error) error {
	var race *lostRace
	if errors.As(err, &race) {
		err = fmt.Errorf("%w: message %d is of supervisor %s", cluster.ErrMoved, race.last.seq,
			race.last.header.Get(supervisorHeader))
	}
	if errors.Is(err, cluster.ErrMoved) || errors.Is(err, cluster.ErrFailed) {
		l.lost = err
	}
	return err
}

// register makes the register know of the session's end. If it does not come to that, the same Append
// is tried again, whose records are durable.
func (l *log) register(ctx context.Context) error {
	if l.ending == nil {
		return nil
	}
	if err := l.run.registers[l.run.names.shard(l.client)].end(ctx, l.client); err != nil {
		return l.failed(err)
	}
	l.ending = nil
	return nil
}

// message returns a message of the session, without records.
func (l *log) message(kind string, h cluster.Head) message {
	m := l.run.message(l.run.names.shard(l.client), l.subject, kind)
	setHead(m.header, h)
	return m
}

// behind returns the head behind some of the records of an Append: what it was before, but for the
// messages.
func behind(h cluster.Head, recs []*bulkheadv1.Record) cluster.Head {
	for _, rec := range recs {
		if b := rec.GetSessionBatch(); b != nil {
			h.Durable = b.GetLastSeq()
		}
	}
	return h
}

// Opened implements cluster.Log.
func (l *log) Opened(ctx context.Context) (*bulkheadv1.SessionOpened, error) {
	opened, err := l.run.Opened(ctx, l.client)
	if err == nil && opened == nil {
		err = fmt.Errorf("%w: session %x has no begin", cluster.ErrFailed, l.client)
	}
	return opened, err
}

// Release implements cluster.Log.
func (l *log) Release() { l.lost = fmt.Errorf("%w: it was released", cluster.ErrMoved) }
