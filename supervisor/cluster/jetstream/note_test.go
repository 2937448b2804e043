package jetstream

import (
	"context"
	"errors"
	"testing"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"bulkhead/internal/testing/engine"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/contract"
)

// TestAFactBehindTheEndIsNotAcknowledged writes a fact between another's look at the run's course and
// the end, and behind it: only the first is of the run, and its writer is told so.
func TestAFactBehindTheEndIsNotAcknowledged(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1})
	r := joinRun(t, c, newRunID())
	if err := r.Note(t.Context(), fact("before")); err != nil {
		t.Fatal(err)
	}
	before := r.noting.last
	other := joinRun(t, c, r.names.run)
	endRun(t, r)
	frames, err := encode([]*bulkheadv1.Record{fact("behind")})
	if err != nil {
		t.Fatal(err)
	}
	m := r.message(0, r.names.notes(r.number), kindNote) // as by one who has not seen the end yet
	m.payload = frames[0]
	behind, err := r.engine.put(t.Context(), m, before)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil { // more of the run's course, behind all
		t.Fatal(err)
	}
	if err := r.within(t.Context(), before); err != nil {
		t.Errorf("a fact before the end: %v", err)
	}
	if err := r.within(t.Context(), behind); !errors.Is(err, cluster.ErrEnded) {
		t.Errorf("a fact behind the end: %v", err)
	}
	var said []string
	for _, rec := range contract.Collected(t, r) {
		if d := rec.GetDrainStarted(); d != nil {
			said = append(said, d.GetReason())
		}
	}
	if len(said) != 1 || said[0] != "before" {
		t.Errorf("the run has %q", said)
	}
}

// TestFactsAndAnEndAtOnce lets one supervisor write facts while the other ends the run: what was
// acknowledged is in the run.
func TestFactsAndAnEndAtOnce(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1})
	for range 20 {
		run := newRunID()
		a, b := joinRun(t, c, run), joinRun(t, c, run)
		if err := b.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		begun, noted := make(chan struct{}), make(chan int)
		go func() {
			n := 0
			for ; a.Note(t.Context(), fact("one")) == nil; n++ {
				if n == 0 {
					close(begun)
				}
			}
			noted <- n
		}()
		<-begun
		if err := b.End(t.Context(), &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_DONE}); err != nil {
			t.Fatal(err)
		}
		acked, there := <-noted, 0
		for _, rec := range contract.Collected(t, b) {
			if rec.GetDrainStarted() != nil {
				there++
			}
		}
		if there != acked {
			t.Fatalf("%d facts were acknowledged, and %d are of the run", acked, there)
		}
	}
}

// TestHalfOfAnAppendIsRefused lets the engine refuse the second message of one Append: part of it is
// there, so it has failed, for good.
func TestHalfOfAnAppendIsRefused(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1, MaxPayload: 256 << 10})
	r := joinRun(t, c, newRunID())
	l, h, err := r.Open(t.Context(), contract.Hello("one"))
	if err != nil {
		t.Fatal(err)
	}
	limitMessages(t, r, r.names.shard([]byte("one")), 100<<10)
	next, small := contract.Messages(h, 1, 20<<10)
	next, large := contract.Messages(next, 1, r.limit-10<<10)
	if err := l.Append(t.Context(), next, small, large); !errors.Is(err, cluster.ErrFailed) {
		t.Fatalf("half of an append is refused: %v", err)
	}
	if err := l.Append(t.Context(), next, small, large); !errors.Is(err, cluster.ErrFailed) {
		t.Errorf("the same again: %v", err)
	}
	if n := contract.Checked(t, contract.Collected(t, r)).Messages; n != 1 {
		t.Errorf("%d messages are there", n)
	}
}

// limitMessages lets a stream of a run take no longer messages.
func limitMessages(t *testing.T, r *Run, k int, size int32) {
	t.Helper()
	api, err := natsjs.New(r.engine.conn)
	if err != nil {
		t.Fatal(err)
	}
	cfg := r.names.streamOf(k, 1)
	cfg.MaxMsgSize = size
	if _, err := api.UpdateStream(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
}

func fact(reason string) *bulkheadv1.Record {
	return &bulkheadv1.Record{Entry: &bulkheadv1.Record_DrainStarted{
		DrainStarted: &bulkheadv1.DrainStarted{Reason: reason}}}
}
