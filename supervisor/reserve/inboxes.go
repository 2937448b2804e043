package reserve

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Inboxes bounds the bytes of batches that are in memory for the journal, over all
// sessions of a run. Whose batch has no room waits for it, in turn: each session has one
// that waits at most, so none can keep the others out. A session that has nothing there
// does not wait: what one fast client leaves no room for is at most its own next batch.
type Inboxes struct {
	limit   int64
	room    *semaphore.Weighted
	held    atomic.Int64 // with what passed by the limit
	waiting atomic.Int64
	waited  atomic.Uint64
}

func NewInboxes(limit uint64) *Inboxes {
	return &Inboxes{limit: int64(limit), room: semaphore.NewWeighted(int64(limit))}
}

// Take waits for room for size bytes; first says that the session has no others there. It
// returns how many to give back, or ctx's error.
func (b *Inboxes) Take(ctx context.Context, size int64, first bool) (taken int64, err error) {
	taken = min(size, b.limit)
	if !b.room.TryAcquire(taken) {
		b.waited.Add(1)
		if first {
			taken = 0
		} else {
			b.waiting.Add(1)
			err = b.room.Acquire(ctx, taken)
			b.waiting.Add(-1)
		}
	}
	if err == nil {
		b.held.Add(taken)
	}
	return taken, err
}

// Give gives back what was taken.
func (b *Inboxes) Give(taken int64) {
	b.held.Add(-taken)
	b.room.Release(taken)
}

// Status is about the memory for batches.
func (b *Inboxes) Status() *bulkheadv1.Reserve {
	return &bulkheadv1.Reserve{
		Kind: bulkheadv1.ReserveKind_RESERVE_KIND_INBOXES, LimitedBy: "overload.inbox_memory",
		Limit: uint64(b.limit), Left: uint64(max(0, b.limit-b.held.Load())),
		Reached: b.waiting.Load() > 0, TimesReached: b.waited.Load(),
	}
}
