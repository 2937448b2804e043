package campaign

import (
	"context"
	"slices"
	"sync"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// maxPassing is how many events are kept that are neither the beginning nor the end of a run: more than
// a fleet of agents has to tell of one run.
const maxPassing = 4096

// Board is what is told of a campaign, for all who want to know, from its beginning. Whoever reads it
// slowly holds nobody up, and may miss what is neither the beginning nor the end of a run.
type Board struct {
	mu      sync.Mutex
	events  []posted      // guarded by mu
	posted  uint64        // guarded by mu; how many there were
	passing int           // guarded by mu; how many of events may be left out
	changed chan struct{} // guarded by mu; closed at the next change
	closed  bool          // guarded by mu
	err     error         // guarded by mu; how it was closed
}

type posted struct {
	number uint64 // from 1
	event  *bulkheadv1.JobEvent
}

// NewBoard returns a board without events.
func NewBoard() *Board { return &Board{changed: make(chan struct{})} }

// Post adds an event.
func (b *Board) Post(e *bulkheadv1.JobEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.posted++
	b.events = append(b.events, posted{b.posted, e})
	if !lasting(e) {
		b.passing++
	}
	if b.passing > maxPassing {
		oldest := slices.IndexFunc(b.events, func(p posted) bool { return !lasting(p.event) })
		b.events = slices.Delete(b.events, oldest, oldest+1)
		b.passing--
	}
	b.change()
}

// lasting reports whether an event is kept for whoever comes later: there are two for each run, the first
// and the end.
func lasting(e *bulkheadv1.JobEvent) bool {
	return e.GetTaken() != nil || e.GetBegun() != nil || e.GetEnded() != nil || e.GetOver() != nil
}

// Close ends the board: nothing more is posted. err is what all who follow it get.
func (b *Board) Close(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.err = true, err
	b.change()
}

// change tells whoever waits. b.mu is held.
func (b *Board) change() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Follow calls tell with each event, from the first on, until the board is closed, with whose error it
// returns, tell fails, or ctx is done.
func (b *Board) Follow(ctx context.Context, tell func(*bulkheadv1.JobEvent) error) error {
	for seen := uint64(0); ; {
		b.mu.Lock()
		from := slices.IndexFunc(b.events, func(p posted) bool { return p.number > seen })
		var fresh []posted
		if from >= 0 {
			fresh = slices.Clone(b.events[from:])
		}
		changed, closed, err := b.changed, b.closed, b.err
		b.mu.Unlock()
		for _, p := range fresh {
			if err := tell(p.event); err != nil {
				return err
			}
			seen = p.number
		}
		if closed {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
