package reserve

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// spareParts is what part of the limit is kept beyond it for sessions that have nothing there.
const spareParts = 4

// Inboxes bounds the bytes of batches that are in memory for the journal, over all
// sessions of a run. Whose batch has no room waits for it, in turn: each session has one
// that waits at most, so none can keep the others out. A session that has nothing there
// gets room that is kept for such, a quarter beyond the limit, and waits only for others like it:
// so what fast clients leave no room for is at most its own next batch.
type Inboxes struct {
	limit   int64
	room    *semaphore.Weighted
	spare   *semaphore.Weighted
	held    atomic.Int64
	waiting atomic.Int64
	waited  atomic.Uint64
}

// Room is what a batch, or several, have of the memory for all inboxes.
type Room struct{ bytes, spare int64 }

// Add adds what another batch has.
func (r *Room) Add(other Room) {
	r.bytes += other.bytes
	r.spare += other.spare
}

// NewInboxes returns inboxes that together hold limit bytes, and a quarter more.
func NewInboxes(limit uint64) *Inboxes {
	return &Inboxes{limit: int64(limit), room: semaphore.NewWeighted(int64(limit)),
		spare: semaphore.NewWeighted(max(int64(limit)/spareParts, 1))}
}

// Take waits for room for size bytes; first says that the session has no others there. It
// returns what to give back, or ctx's error.
func (b *Inboxes) Take(ctx context.Context, size int64, first bool) (Room, error) {
	of, taken := b.room, Room{bytes: min(size, b.limit)}
	if !of.TryAcquire(taken.bytes) {
		b.waited.Add(1)
		if first {
			of, taken = b.spare, Room{spare: min(size, max(b.limit/spareParts, 1))}
		}
		b.waiting.Add(1)
		err := of.Acquire(ctx, taken.bytes+taken.spare)
		b.waiting.Add(-1)
		if err != nil {
			return Room{}, err
		}
	}
	b.held.Add(taken.bytes + taken.spare)
	return taken, nil
}

// Give gives back what was taken.
func (b *Inboxes) Give(taken Room) {
	b.held.Add(-taken.bytes - taken.spare)
	b.room.Release(taken.bytes)
	b.spare.Release(taken.spare)
}

// Status returns what status shows of the memory for batches.
func (b *Inboxes) Status() *bulkheadv1.Reserve {
	return &bulkheadv1.Reserve{
		Kind: bulkheadv1.ReserveKind_RESERVE_KIND_INBOXES, LimitedBy: "overload.inbox_memory",
		Limit: uint64(b.limit), Left: uint64(max(0, b.limit-b.held.Load())),
		Reached: b.waiting.Load() > 0, TimesReached: b.waited.Load(),
	}
}
