package consumer

import (
	"time"

	"bulkhead/client/consumer/disk"
	"bulkhead/client/names"
	"bulkhead/client/neighbour"
)

// remover removes files beside the writers, because removing one may take as long as
// writing one. It belongs to one goroutine.
type remover struct {
	disk     disk.Disk
	gauge    *gauge
	ledger   *ledger
	rotation *rotation
	board    *neighbour.Board
	failed   func(error) // counts a failure
}

// run removes what is to leave, until done is closed and nothing is left of that, or
// what is left cannot be removed.
func (r *remover) run(done <-chan struct{}) {
	for failures := 0; ; {
		t, ok := r.rotation.awaitLeaving(done)
		if !ok {
			return
		}
		err := r.remove(t.number)
		if err == nil {
			r.rotation.left(t)
			failures = 0
			continue
		}
		r.failed(err)
		failures++
		timer := time.NewTimer(retry.After(failures, 0))
		select {
		case <-timer.C:
		case <-done:
			timer.Stop()
			return
		}
	}
}

// removeAll removes every file there is. It tries each one.
func (r *remover) removeAll() {
	for number := range r.rotation.all {
		if err := r.remove(number); err != nil {
			r.ledger.failed(err)
		}
	}
}

// remove removes one file, and enters how long that took.
func (r *remover) remove(number uint64) error {
	if err := r.board.Strike(number); err != nil {
		return err
	}
	took, err := r.gauge.call(func() error { return r.disk.Remove(names.LoadFile(number)) })
	if err == nil {
		r.ledger.took(phaseUnlink, took)
	}
	return err
}
