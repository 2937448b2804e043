package supervisor

import (
	"errors"
	"testing"

	"bulkhead/internal/downlink"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A handler may have as many batches on their way as it lets its client have, and none
// larger than a frame.
func TestWindowOfAHandler(t *testing.T) {
	r := &run{cfg: Config{Session: SessionConfig{MaxFrame: 100, MaxUnackedBatches: 2}}}
	l := &link{down: downlink.New()}
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
	if err := send(4, 100); !errors.Is(err, errLied) {
		t.Errorf("a third batch on its way: %v; want a lie", err)
	}
	l.ack(4)
	if err := send(5, 101); !errors.Is(err, errLied) {
		t.Errorf("a batch larger than a frame: %v; want a lie", err)
	}
}
