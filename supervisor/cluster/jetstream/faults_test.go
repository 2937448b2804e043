package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/engine"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/contract"
)

// persist appends until the answer is anything but ErrUnavailable.
func persist(ctx context.Context, l cluster.Log, h cluster.Head, recs ...*bulkheadv1.Record) error {
	for {
		err := l.Append(ctx, h, recs...)
		if !errors.Is(err, cluster.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
	}
}

// speaker appends messages to a session of its own, one after the other.
type speaker struct {
	log   cluster.Log
	head  cluster.Head
	acked *atomic.Int64 // of all speakers
}

// newSpeaker opens a session.
func newSpeaker(t testing.TB, r *Run, client string, acked *atomic.Int64) *speaker {
	t.Helper()
	l, h, err := r.Open(t.Context(), contract.Hello(client))
	if err != nil {
		t.Fatal(err)
	}
	h, rec := contract.Attached(h, r.Connection())
	if err := persist(t.Context(), l, h, rec); err != nil {
		t.Fatal(err)
	}
	return &speaker{l, h, acked}
}

// say appends one record of messages.
func (s *speaker) say(ctx context.Context) error {
	next, rec := contract.Messages(s.head, 3, 200)
	if err := persist(ctx, s.log, next, rec); err != nil {
		return err
	}
	s.head = next
	s.acked.Add(1)
	return nil
}

// speak appends until stop is closed.
func (s *speaker) speak(ctx context.Context, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if err := s.say(ctx); err != nil {
			return err
		}
	}
}

// progress waits until n more are acknowledged.
func progress(t testing.TB, acked *atomic.Int64, n int64) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for target := acked.Load() + n; acked.Load() < target; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d records are acknowledged, and no more", acked.Load())
		}
	}
}

// crowd is sessions that speak at once.
type crowd struct {
	speakers []*speaker
	acked    atomic.Int64
	stop     chan struct{}
	ended    chan error
}

// newCrowd lets n sessions speak.
func newCrowd(t testing.TB, r *Run, n int) *crowd {
	c := &crowd{stop: make(chan struct{}), ended: make(chan error, n)}
	for i := range n {
		c.speakers = append(c.speakers, newSpeaker(t, r, fmt.Sprint("client-", i), &c.acked))
	}
	for _, s := range c.speakers {
		go func() { c.ended <- s.speak(t.Context(), c.stop) }()
	}
	return c
}

// audit ends the sessions and the run, and checks that each record that was acknowledged is there,
// once.
func (c *crowd) audit(t testing.TB, r *Run) {
	t.Helper()
	close(c.stop)
	for range c.speakers {
		if err := <-c.ended; err != nil {
			t.Error(err)
		}
	}
	want := uint64(0)
	for _, s := range c.speakers {
		h, rec := contract.Over(s.head)
		if err := persist(t.Context(), s.log, h, rec); err != nil {
			t.Error(err)
		}
		want += h.Durable
	}
	endRun(t, r)
	if report := contract.Checked(t, contract.Collected(t, r)); report.Messages != want || !report.Ended {
		t.Errorf("%d messages are there, and %d were acknowledged", report.Messages, want)
	}
}

func endRun(t testing.TB, r *Run) {
	t.Helper()
	if err := r.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.End(t.Context(), &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_DONE}); err != nil {
		t.Fatal(err)
	}
}

// TestLeaderIsKilled kills the leader of each shard while sessions append; they go on.
func TestLeaderIsKilled(t *testing.T) {
	long(t)
	c := engine.Start(t, engine.Options{})
	r := joinRun(t, c, newRunID(), func(c *Config) { c.Shards = 1 })
	all := newCrowd(t, r, 6)
	progress(t, &all.acked, 20)
	leader := c.Leader(r.names.stream(1))
	leader.Kill()
	progress(t, &all.acked, 20)
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	c.Ready()
	progress(t, &all.acked, 20)
	all.audit(t, r)
}

// TestLeaderIsStopped stops the leader of a shard, which says nothing then, and lets it go on as one
// that does not know that it leads no more.
func TestLeaderIsStopped(t *testing.T) {
	long(t)
	c := engine.Start(t, engine.Options{})
	r := joinRun(t, c, newRunID(), func(c *Config) { c.Shards = 1 })
	all := newCrowd(t, r, 6)
	progress(t, &all.acked, 20)
	leader := c.Leader(r.names.stream(1))
	if err := leader.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	progress(t, &all.acked, 20)
	if err := leader.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	progress(t, &all.acked, 20)
	c.Ready()
	all.audit(t, r)
}

// TestNoQuorum ends two of three nodes. Nothing is acknowledged, and the answer is ErrUnavailable; the
// same Append is acknowledged when they are back, and is there once.
func TestNoQuorum(t *testing.T) {
	long(t)
	c := engine.Start(t, engine.Options{})
	r := joinRun(t, c, newRunID(), func(c *Config) { c.Shards = 1; c.Patience = 3 * time.Second })
	var acked atomic.Int64
	s := newSpeaker(t, r, "one", &acked)
	for range 5 {
		if err := s.say(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c.Nodes[0].Kill()
	c.Nodes[1].Kill()
	next, rec := contract.Messages(s.head, 3, 200)
	for range 2 {
		if err := s.log.Append(t.Context(), next, rec); !errors.Is(err, cluster.ErrUnavailable) {
			t.Fatalf("without a quorum: %v", err)
		}
	}
	other, more := contract.Messages(s.head, 1, 10)
	if err := s.log.Append(t.Context(), other, more); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("other records before those are known to be durable: %v", err)
	}
	if _, _, err := r.Open(t.Context(), contract.Hello("two")); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("a new client without a quorum: %v", err)
	}
	if err := r.Note(t.Context(), &bulkheadv1.Record{Entry: &bulkheadv1.Record_DrainStarted{
		DrainStarted: &bulkheadv1.DrainStarted{}}}); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("a fact without a quorum: %v", err)
	}
	for _, n := range c.Nodes[:2] {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := persist(t.Context(), s.log, next, rec); err != nil {
		t.Fatal(err)
	}
	c.Ready()
	h, over := contract.Over(next)
	if err := persist(t.Context(), s.log, h, over); err != nil {
		t.Fatal(err)
	}
	if n := contract.Checked(t, contract.Collected(t, r)).Messages; n != 18 {
		t.Errorf("%d messages are there; 18 were acknowledged", n)
	}
}

// A stream whose places are all taken, as by messages that wait for its leader, holds up no session of another.
func TestAStreamHoldsUpNoOther(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1})
	r := joinRun(t, c, newRunID(), func(cfg *Config) { cfg.MaxInFlight, cfg.Patience = 3, 2*time.Second })
	var acked atomic.Int64
	speakers := make(map[int]*speaker) // by shard
	for i := 0; len(speakers) < 2; i++ {
		client := fmt.Sprint("client-", i)
		speakers[r.names.shard(contract.Hello(client).Client)] = newSpeaker(t, r, client, &acked)
	}
	slots := r.engine.slots[r.names.stream(1)]
	if err := slots.Acquire(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	next, rec := contract.Messages(speakers[1].head, 3, 200)
	if err := speakers[1].log.Append(t.Context(), next, rec); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("a session of the stream without places: %v", err)
	}
	if err := speakers[2].say(t.Context()); err != nil {
		t.Errorf("a session of another: %v", err)
	}
	slots.Release(3)
	if err := speakers[1].log.Append(t.Context(), next, rec); err != nil {
		t.Errorf("a session of the stream with places again: %v", err)
	}
}

// What comes before an append of which nobody knows is not refused for what it is: who took that for an
// answer would go on without it.
func TestOthersWaitForWhatIsNotKnown(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1})
	r := joinRun(t, c, newRunID(), func(cfg *Config) { cfg.Patience = time.Second })
	l, h, err := r.Open(t.Context(), contract.Hello("one"))
	if err != nil {
		t.Fatal(err)
	}
	said := func(cause string) *bulkheadv1.Record {
		return &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDetached{
			SessionDetached: &bulkheadv1.SessionDetached{Session: h.Session, Cause: cause}}}
	}
	first, another := said("first"), said("another")
	c.Nodes[0].Kill()
	for _, rec := range []*bulkheadv1.Record{first, another, first} {
		if err := l.Append(t.Context(), h, rec); !errors.Is(err, cluster.ErrUnavailable) ||
			errors.Is(err, cluster.ErrRefused) {
			t.Errorf("%s, without an engine: %v", rec.GetSessionDetached().GetCause(), err)
		}
	}
	if err := c.Nodes[0].Start(); err != nil {
		t.Fatal(err)
	}
	c.Ready()
	if err := persist(t.Context(), l, h, first); err != nil {
		t.Errorf("the first again: %v", err)
	}
	if err := persist(t.Context(), l, h, another); err != nil {
		t.Errorf("another behind it: %v", err)
	}
}

// TestTakeoverWithoutTheOwner takes the sessions of a supervisor that is cut off from the engine in the
// middle of an Append: what it did not hear of is known to the one who takes over.
func TestTakeoverWithoutTheOwner(t *testing.T) {
	c := engine.Start(t, engine.Options{})
	run := newRunID()
	b := joinRun(t, c, run)
	a, err := Join(t.Context(), configOf(c, run)) // it will not leave
	if err != nil {
		t.Fatal(err)
	}
	all := newCrowd(t, a, 4)
	progress(t, &all.acked, 10)
	a.engine.conn.Close() // it hears nothing more
	for range all.speakers {
		if err := <-all.ended; !errors.Is(err, cluster.ErrFailed) {
			t.Errorf("who is cut off: %v", err)
		}
	}
	want := uint64(0)
	for f, err := range b.Heads(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		l, h, err := b.Open(t.Context(), cluster.Hello{Client: f.Client})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all.speakers {
			if s.head.Session == h.Session && h.Durable != s.head.Durable && h.Durable != s.head.Durable+3 {
				t.Errorf("session %d: %d is durable, and %d was acknowledged", h.Session, h.Durable, s.head.Durable)
			}
		}
		want += h.Durable
		h, over := contract.Over(h)
		if err := persist(t.Context(), l, h, over); err != nil {
			t.Fatal(err)
		}
	}
	endRun(t, b)
	if n := contract.Checked(t, contract.Collected(t, b)).Messages; n != want {
		t.Errorf("%d messages are there, not %d", n, want)
	}
}

// TestLongAppend appends more than a message of the engine holds; a record that no message holds is
// refused, and harms nothing.
func TestLongAppend(t *testing.T) {
	c := engine.Start(t, engine.Options{Nodes: 1, MaxPayload: 256 << 10})
	r := joinRun(t, c, newRunID())
	var acked atomic.Int64
	s := newSpeaker(t, r, "one", &acked)
	h := s.head
	var recs []*bulkheadv1.Record
	for range 10 {
		var rec *bulkheadv1.Record
		h, rec = contract.Messages(h, 1, 100<<10)
		recs = append(recs, rec)
	}
	huge, rec := contract.Messages(s.head, 1, 256<<10)
	if err := s.log.Append(t.Context(), huge, rec); !errors.Is(err, cluster.ErrRefused) {
		t.Errorf("a record that no message holds: %v", err)
	}
	if err := s.log.Append(t.Context(), h, recs...); err != nil {
		t.Fatal(err)
	}
	stream := r.names.stream(r.names.shard([]byte("one")))
	last, err := r.engine.last(t.Context(), stream, r.names.session([]byte("one")))
	if err != nil || len(last.payload) > r.limit {
		t.Errorf("a message holds %d bytes: %v", len(last.payload), err)
	}
	parts, durable := 0, uint64(0)
	for m := (stored{}); m.seq < last.seq; parts++ {
		if m, err = r.engine.next(t.Context(), stream, last.subject, m.seq+1); err != nil {
			t.Fatal(err)
		}
		list, err := payloads(m.payload)
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range list {
			rec := new(bulkheadv1.Record)
			if err := proto.Unmarshal(data, rec); err != nil {
				t.Fatal(err)
			}
			durable = max(durable, rec.GetSessionBatch().GetLastSeq())
		}
		if found, err := m.head(); err != nil || found.Durable != durable { // another could take over from it
			t.Errorf("behind message %d of the session the head is %+v: %v", durable, found, err)
		}
	}
	if parts < 7 {
		t.Errorf("it took %d messages", parts)
	}
	if n := contract.Checked(t, contract.Collected(t, r)).Messages; n != 10 {
		t.Errorf("%d messages are there", n)
	}
}
