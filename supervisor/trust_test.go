package supervisor

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/config"
	"bulkhead/internal/downlink"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
)

// A handler may have as many batches on their way as it lets its client have, and none
// larger than a frame.
func TestWindowOfAHandler(t *testing.T) {
	r := &run{cfg: Config{Supervisor: config.Supervisor{Session: config.Session{MaxFrame: 100, MaxUnackedBatches: 2}}}}
	l := &link{send: sender{down: downlink.New()}}
	send := func(last uint64, size int) error {
		return l.checkBatch(r, &bulkheadv1.SealedBatch{LastSeq: last, Batch: make([]byte, size)})
	}
	for last := uint64(1); last <= 2; last++ {
		if err := send(last, 100); err != nil {
			t.Fatalf("batch %d of two: %v", last, err)
		}
	}
	l.ack(1)
	if err := send(3, 100); err != nil {
		t.Errorf("a batch after an ack: %v", err)
	}
	if err := send(4, 100); !errors.Is(err, raw.ErrLied) {
		t.Errorf("a third batch on its way: %v; want a lie", err)
	}
	l.ack(4)
	if err := send(5, 101); !errors.Is(err, raw.ErrLied) {
		t.Errorf("a batch larger than a frame: %v; want a lie", err)
	}
}

// A session keeps of its Hello what tells its client from others, and no more, once the
// journal has the whole.
func TestASessionDoesNotKeepItsHello(t *testing.T) {
	h := &bulkheadv1.Hello{ClientId: []byte("0123456789abcdef"), Name: "long", Workload: &bulkheadv1.Workload{}}
	for i := range uint32(protocol.MaxConsumers) {
		h.Workload.Consumers = append(h.Workload.Consumers, &bulkheadv1.ConsumerSpec{Index: i, Path: "/mnt"})
	}
	kept := new(notedJournal)
	r := bareRun(kept, 0)
	p := newProcessor(r, 1, "s1", h).openedBy(t, r, h)
	p.grace, p.owing = stoppedTimer(), stoppedTimer()
	p.step(runOver, nil, "the run is over", 0)
	if len(kept.recs) != 2 || !proto.Equal(kept.recs[0].GetSessionOpened().GetHello(), h) {
		t.Errorf("the journal has %d records, and not the whole Hello", len(kept.recs))
	}
	if size := proto.Size(p.hello); size > 100 {
		t.Errorf("the session keeps %d bytes of %d", size, proto.Size(h))
	}
	if size := proto.Size(ofConnection(h)); size > 100 {
		t.Errorf("its connection keeps %d bytes", size)
	}
}
