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
	// finished are Notes of which the caller knows nothing yet, because another caller's Note has
	// brought them to their end: the same Note again says so.
	finished map[[sha256.Size]byte]struct{}
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
	if _, done := n.finished[sum]; done {
		delete(n.finished, sum)
		return nil
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
		if n.finished == nil {
			n.finished = make(map[[sha256.Size]byte]struct{})
		}
		n.finished[left.sum] = struct{}{}
	}
	w, err := n.newWork("", frames, func(int, int, int) message {
		return r.message(0, r.names.notes(r.number), kindNote)
	})
	if err != nil {
		return err
	}
	return n.failed(n.do(ctx, w))
}

// failed returns what the caller is told: that somebody else has written there cannot be.
func (n *noting) failed(err error) error {
	if lost := (*lostRace)(nil); errors.As(err, &lost) {
		return fmt.Errorf("%w: message %d among this supervisor's is another's", cluster.ErrFailed, lost.last.seq)
	}
	return err
}
