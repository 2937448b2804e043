package campaign

import (
	"context"
	"errors"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func drained(why string) *bulkheadv1.JobEvent {
	return &bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Drained{Drained: why}}
}

func begunRun(n uint32) *bulkheadv1.JobEvent {
	return &bulkheadv1.JobEvent{Event: &bulkheadv1.JobEvent_Begun{Begun: &bulkheadv1.JobRun{Number: n}}}
}

// Whoever comes late is told of each run, and of the rest the newest; nobody who reads slowly holds up who
// posts.
func TestABoardKeepsWhatLasts(t *testing.T) {
	b := NewBoard()
	b.Post(begunRun(1))
	for range 3 * maxPassing {
		b.Post(drained("x"))
	}
	b.Post(begunRun(2))
	over := errors.New("over")
	b.Close(over)
	runs, others := 0, 0
	err := b.Follow(context.Background(), func(e *bulkheadv1.JobEvent) error {
		if e.GetBegun() != nil {
			runs++
		} else {
			others++
		}
		return nil
	})
	if !errors.Is(err, over) || runs != 2 || others != maxPassing {
		t.Errorf("%d runs and %d others are told, and %v; want 2, %d and %v", runs, others, err, maxPassing, over)
	}
}

// A follower gets each event once, also those that are posted meanwhile, and ends with its context.
func TestABoardIsFollowed(t *testing.T) {
	b := NewBoard()
	ctx, cancel := context.WithCancel(context.Background())
	told := make(chan uint32)
	ended := make(chan error)
	go func() { // ends with ctx
		ended <- b.Follow(ctx, func(e *bulkheadv1.JobEvent) error {
			told <- e.GetBegun().GetNumber()
			return nil
		})
	}()
	for n := range uint32(5) {
		b.Post(begunRun(n))
		if got := <-told; got != n {
			t.Errorf("told is run %d; want %d", got, n)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}
