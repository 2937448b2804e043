package jetstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
)

// noting writes this supervisor's facts of no session. Nobody else writes to its subject.
type noting struct {
	mu sync.Mutex
	appender
	// finished are Notes that are durable and of which the caller does not know it yet: another
	// caller's Note has brought them to their end, or it could not be told whether the run had ended
	// before. The same Note again says so. They are known by their last message.
	finished map[[sha256.Size]byte]uint64
}

// Note implements cluster.Run.
func (r *Run) Note(ctx context.Context, recs ...*bulkheadv1.Record) error {
	for _, rec := range recs {
		if _, of := cluster.SessionOf(rec); of || rec.GetRunStarted() != nil || rec.GetRunEnded() != nil {
			return fmt.Errorf("%w: %T is not a fact of no session", cluster.ErrRefused, rec.GetEntry())
		}
	}
	frames, err := encode(recs)
	if err != nil {
		return err
	}
	n := &r.noting
	n.mu.Lock()
	defer n.mu.Unlock()
	sum := sumOf("", frames)
	if seq, done := n.finished[sum]; done {
		return n.tell(ctx, r, sum, seq)
	}
	now, err := r.courseNow(ctx)
	if err != nil {
		return err
	}
	if now.header.Get(endedHeader) != "" {
		return cluster.ErrEnded
	}
	if left := n.undone; left != nil && left.sum != sum {
		if err := n.do(ctx, left); err != nil {
			return n.failed(err)
		}
		n.finished[left.sum] = n.last
	}
	w, err := n.newWork("", frames, func(int, int, int) message {
		return r.message(0, r.names.notes(r.number), kindNote)
	})
	if err != nil {
		return err
	}
	if err := n.do(ctx, w); err != nil {
		return n.failed(err)
	}
	return n.tell(ctx, r, sum, n.last)
}

// tell returns what the caller of a Note is told whose last message is durable.
func (n *noting) tell(ctx context.Context, r *Run, sum [sha256.Size]byte, seq uint64) error {
	err := r.within(ctx, seq)
	if err == nil || errors.Is(err, cluster.ErrEnded) {
		delete(n.finished, sum)
	} else {
		n.finished[sum] = seq
	}
	return err
}

// within returns ErrEnded if the run had its end before message seq of stream 0: somebody else's End
// may come between the look at the course and the message. It is in the run if the end is behind it.
func (r *Run) within(ctx context.Context, seq uint64) error {
	now, err := r.courseNow(ctx)
	if err != nil || now.header.Get(endedHeader) == "" {
		return err
	}
	for at := seq; at < now.seq; {
		m, err := patiently(ctx, r.engine, func(ctx context.Context) (stored, error) {
			return r.engine.next(ctx, r.names.stream(0), r.names.course(), at+1)
		})
		switch {
		case err != nil:
			return err
		case m.kind() == kindEnded:
			return nil
		case m.seq == 0:
			return cluster.ErrEnded
		}
		at = m.seq
	}
	return cluster.ErrEnded
}

// failed returns what the caller is told: that somebody else has written there cannot be.
func (n *noting) failed(err error) error {
	if lost := (*lostRace)(nil); errors.As(err, &lost) {
		return fmt.Errorf("%w: message %d among this supervisor's is another's", cluster.ErrFailed, lost.last.seq)
	}
	return err
}
