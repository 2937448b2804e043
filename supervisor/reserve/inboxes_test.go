package reserve

import (
	"context"
	"testing"
)

// One session cannot fill what is for all: others that have nothing there get their batches in,
// as long as there is room for such, and who waits gets room in turn.
func TestInboxesAreFair(t *testing.T) {
	b := NewInboxes(100)
	ctx := t.Context()
	greedy, err := b.Take(ctx, 100, true)
	if err != nil || greedy != (Room{bytes: 100}) {
		t.Fatalf("took %d, %v", greedy, err)
	}
	first, err := b.Take(ctx, 20, true)
	if err != nil || first != (Room{spare: 20}) {
		t.Errorf("the first batch of another session took %d, %v; want what is kept for such", first, err)
	}
	if st := b.Status(); st.GetLeft() != 0 || st.GetTimesReached() != 1 || st.GetReached() {
		t.Errorf("status says %v", st)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := b.Take(over, 1, false); err == nil {
		t.Error("a second batch found room where there is none")
	}
	if _, err := b.Take(over, 6, true); err == nil {
		t.Error("first batches have more room than a quarter of the limit")
	}
	b.Give(first)
	if n, err := b.Take(ctx, 60, true); err != nil || n != (Room{spare: 25}) {
		t.Errorf("a batch larger than what is kept took %d, %v; want all of that", n, err)
	}
	var order []string
	type turn struct {
		who   string
		taken Room
	}
	turns := make(chan turn)
	wait := func(who string, size int64) {
		before := b.waiting.Load()
		go func() { // ends when the others have given back
			n, _ := b.Take(ctx, size, false)
			turns <- turn{who, n}
		}()
		for b.waiting.Load() == before { // it is in the queue
		}
	}
	wait("large", 90)
	wait("small", 20)
	b.Give(greedy)
	for range 2 {
		got := <-turns
		order = append(order, got.who)
		b.Give(got.taken)
	}
	if order[0] != "large" || order[1] != "small" {
		t.Errorf("room was given to %v; want it in turn", order)
	}
	if n, err := b.Take(ctx, 1000, false); err != nil || n != (Room{bytes: 100}) {
		t.Errorf("a batch larger than all room took %d, %v; want what there is", n, err)
	}
}
