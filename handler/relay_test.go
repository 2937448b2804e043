package handler

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// batchOf returns a sealed batch of messages first to last, without content.
func batchOf(first, last uint64) *bulkheadv1.SealedBatch {
	return &bulkheadv1.SealedBatch{FirstSeq: first, LastSeq: last}
}

// reader is a supervisor's end of a relay: a cursor and what it was told.
type reader struct {
	at      cursor
	seen    uint64 // last sequence number told
	hello   bool
	goodbye bool
	end     *bulkheadv1.End
}

// resume returns a reader that knows everything up to acked.
func resume(acked uint64) *reader { return &reader{at: cursor{seq: acked}, seen: acked} }

// take takes the next frame, checks its place in the order, and reports whether there
// was one.
func (r *reader) take(t *testing.T, from *relay) bool {
	t.Helper()
	f := from.next(&r.at)
	if f == nil {
		return false
	}
	if r.end != nil {
		t.Fatalf("%v came after the End", f)
	}
	switch f := f.GetFrame().(type) {
	case *bulkheadv1.HandlerFrame_Hello:
		if r.hello {
			t.Fatal("a second Hello was told")
		}
		r.hello = true
	case *bulkheadv1.HandlerFrame_Batch:
		if !r.hello || r.goodbye || f.Batch.GetFirstSeq() != r.seen+1 {
			t.Fatalf("batch %d to %d came after %d (hello %v, goodbye %v)", f.Batch.GetFirstSeq(), f.Batch.GetLastSeq(),
				r.seen, r.hello, r.goodbye)
		}
		r.seen = f.Batch.GetLastSeq()
	case *bulkheadv1.HandlerFrame_Goodbye:
		if r.goodbye || r.seen != f.Goodbye.GetLastSeq() {
			t.Fatalf("Goodbye after %d; %d was told last", f.Goodbye.GetLastSeq(), r.seen)
		}
		r.goodbye = true
	case *bulkheadv1.HandlerFrame_End:
		r.end = f.End
	}
	return true
}

// TestEverySupervisorIsToldEverythingOnce interleaves a client that sends, a
// supervisor that reads and acknowledges, and new supervisors that take over from
// what is acknowledged, at random. Each is told the Hello, every batch that was
// not acknowledged, the Goodbye and the End, once and in order.
func TestEverySupervisorIsToldEverythingOnce(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		const batches = 40
		r := newRelay(1 + rng.IntN(6))
		sup := resume(0)
		r.setHello(&bulkheadv1.Hello{Name: "alpha"})
		var sent, acked uint64
		for n := 0; n < batches; {
			switch rng.IntN(8) {
			case 0, 1, 2:
				if b := batchOf(sent+1, sent+1+rng.Uint64N(4)); r.tryAdd(b) {
					sent, n = b.LastSeq, n+1
				} else if len(r.unacked) != r.maxUnacked {
					t.Fatalf("seed %d: no room with %d of %d batches kept", seed, len(r.unacked), r.maxUnacked)
				}
			case 3, 4, 5:
				sup.take(t, r)
			case 6:
				acked = max(acked, sup.seen)
				r.ack(acked)
			case 7:
				sup = resume(acked)
			}
		}
		r.setGoodbye(&bulkheadv1.Goodbye{LastSeq: sent})
		r.setEnd(&bulkheadv1.End{})
		for range 2 { // the one that is there, and one that takes over
			for sup.take(t, r) {
			}
			if sup.seen != sent || !sup.goodbye || sup.end.GetMessages() != sent {
				t.Fatalf("seed %d: told up to %d of %d, goodbye %v, end %v", seed, sup.seen, sent, sup.goodbye, sup.end)
			}
			sup = resume(acked)
		}
	}
}

func TestAckForgetsWholeBatchesOnly(t *testing.T) {
	r := newRelay(8)
	for _, b := range []*bulkheadv1.SealedBatch{batchOf(1, 3), batchOf(4, 6), batchOf(7, 7)} {
		if !r.tryAdd(b) {
			t.Fatal("no room")
		}
	}
	for _, tt := range []struct {
		ack   uint64
		first uint64 // of the batches kept; 0 if none
	}{{0, 1}, {2, 1}, {3, 4}, {5, 4}, {1, 4}, {6, 7}, {100, 0}} {
		r.ack(tt.ack)
		var first uint64
		if len(r.unacked) > 0 {
			first = r.unacked[0].GetFirstSeq()
		}
		if first != tt.first {
			t.Errorf("after ack %d the first batch kept begins at %d; want %d", tt.ack, first, tt.first)
		}
	}
	if r.acked != 100 {
		t.Errorf("acked = %d; want the highest, 100", r.acked)
	}
}

func TestAddWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(2)
		ctx, cancel := context.WithCancel(t.Context())
		added := make(chan bool)
		go func() {
			for i := uint64(1); r.add(ctx, batchOf(i, i)); i++ {
				added <- true
			}
			close(added)
		}()
		<-added
		<-added
		synctest.Wait() // the third waits
		select {
		case <-added:
			t.Fatal("a third batch found room among two")
		default:
		}
		r.ack(1)
		<-added
		synctest.Wait()
		cancel()
		if _, ok := <-added; ok {
			t.Fatal("a batch found room after the end")
		}
	})
}

// A relay without a bound in the supervisor's limits still holds one batch.
func TestARelayHoldsOneBatchAtLeast(t *testing.T) {
	r := newRelay(0)
	if !r.tryAdd(batchOf(1, 1)) || r.tryAdd(batchOf(2, 2)) {
		t.Error("a relay of 0 does not hold exactly one batch")
	}
}

// Whether a handler without a supervisor may leave: sending counts for nothing, for the
// supervisor may die before it takes what was sent.
func TestSettled(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*relay)
		want bool
	}{
		{"a client that is there", func(r *relay) {}, false},
		{"gone without a word", func(r *relay) { r.setEnd(&bulkheadv1.End{Class: gone}) }, true},
		{"gone, a batch not acknowledged",
			func(r *relay) { r.tryAdd(batchOf(1, 2)); r.setEnd(&bulkheadv1.End{Class: gone}) }, false},
		{"gone, a part acknowledged",
			func(r *relay) { r.tryAdd(batchOf(1, 2)); r.ack(1); r.setEnd(&bulkheadv1.End{Class: gone}) }, false},
		{"gone, all acknowledged",
			func(r *relay) { r.tryAdd(batchOf(1, 2)); r.ack(2); r.setEnd(&bulkheadv1.End{Class: gone}) }, true},
		{"gone after a Goodbye",
			func(r *relay) { r.setGoodbye(&bulkheadv1.Goodbye{}); r.setEnd(&bulkheadv1.End{Class: gone}) }, false},
		{"finished after a Goodbye",
			func(r *relay) { r.setGoodbye(&bulkheadv1.Goodbye{}); r.setEnd(&bulkheadv1.End{Class: finished}) }, true},
		{"refused with a batch under way",
			func(r *relay) { r.tryAdd(batchOf(1, 2)); r.setEnd(&bulkheadv1.End{Class: finished}) }, true},
	} {
		r := newRelay(4)
		tt.do(r)
		for at := (cursor{}); r.next(&at) != nil; { // all of it was sent
		}
		if got := r.settled(); got != tt.want {
			t.Errorf("%s: settled = %v; want %v", tt.name, got, tt.want)
		}
	}
}

// TestSmallBatchesAreSentTogether: what waits together is one Batch with every message once,
// and a large one stays alone, in its place.
func TestSmallBatchesAreSentTogether(t *testing.T) {
	r := newRelay(1 << 16)
	r.setHello(&bulkheadv1.Hello{Name: "alpha"})
	var seq uint64
	add := func(messages, padding int) {
		b := &bulkheadv1.Batch{}
		for range messages {
			seq++
			m := rawclient.Message(seq)
			m.GetProgress().LastError = strings.Repeat("e", padding)
			b.Messages = append(b.Messages, m)
		}
		sealed, v := seal(b, b.Messages)
		if v != nil || !r.tryAdd(sealed) {
			t.Fatalf("batch up to %d is not kept: %v", seq, v)
		}
	}
	for range 600 {
		add(1, 0)
	}
	add(1, smallBytes) // too large for company
	add(1, 0)
	add(2, 0)
	at := &cursor{hello: true}
	var told uint64
	var frames, alone int
	for f := r.next(at); f != nil; f = r.next(at) {
		b := f.GetBatch()
		if b.GetFirstSeq() != told+1 {
			t.Fatalf("%d to %d came after %d", b.GetFirstSeq(), b.GetLastSeq(), told)
		}
		wantSealed(t, b)
		told = b.GetLastSeq()
		frames++
		if len(b.GetBatch()) > mergedBytes {
			t.Errorf("%d bytes in one frame", len(b.GetBatch()))
		}
		if b.GetFirstSeq() == 601 && b.GetLastSeq() == 601 {
			alone++
		}
	}
	if told != seq || frames > 6 || alone != 1 {
		t.Errorf("%d of %d messages in %d frames, the large one alone %d times", told, seq, frames, alone)
	}
}
