package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"bulkhead/internal/testing/rawclient"
)

const (
	// crashClients write while a process crashes.
	crashClients = 16
	// crashBatch is how many messages they send at a time, and crashWindow how many batches
	// they have on their way.
	crashBatch  = 16
	crashWindow = 8
	// crashAfter is how many messages each has acknowledged before, and goesOnFor how many more
	// show that it goes on.
	crashAfter = 64 * crashBatch
	goesOnFor  = 64 * crashBatch
)

// loss is what a crash took along.
type loss struct {
	connections int    // of crashClients that broke
	acked       uint64 // messages that were acknowledged and are nowhere
}

// writer is a client that writes until its connection breaks or stop.
type writer struct {
	*rawclient.Client
	name, session string

	mu      sync.Mutex
	acked   uint64        // guarded by mu
	broke   error         // guarded by mu
	stopped bool          // guarded by mu
	changed chan struct{} // guarded by mu; closed and replaced when one of them changes
}

// crash lets clients write, kills the process that serves the first, or the parent of all, with
// a segmentation violation, and counts what is lost when every other client has gone on or is
// cut off.
func crash(a arrangement, ofParent bool) (lost loss, err error) {
	c, err := a.start()
	if err != nil {
		return loss{}, err
	}
	defer func() {
		if log := c.stop(); err != nil {
			err = fmt.Errorf("%w; its log:\n%s", err, log)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var all []*writer
	defer func() {
		for _, w := range all {
			w.Close()
		}
	}()
	for i := range crashClients {
		w, err := newWriter(ctx, c.addr(), fmt.Sprintf("bench-%d", i))
		if err != nil {
			return loss{}, err
		}
		all = append(all, w)
	}
	for _, w := range all {
		if err := w.await(ctx, crashAfter); err != nil {
			return loss{}, fmt.Errorf("%s broke before the crash: %w", w.name, err)
		}
	}
	pid := c.parent()
	if !ofParent {
		if pid, err = c.serving(all[0].name, all[0].session); err != nil {
			return loss{}, err
		}
	}
	if err := syscall.Kill(pid, syscall.SIGSEGV); err != nil {
		return loss{}, err
	}
	if ofParent {
		if err := c.resume(); err != nil {
			return loss{}, err
		}
	}
	if err := all[0].settle(ctx, !ofParent); err != nil {
		return loss{}, err
	}
	for _, w := range all {
		if err := w.settle(ctx, false); err != nil {
			return loss{}, err
		}
	}
	told := make(map[string]uint64)
	for _, w := range all {
		w.mu.Lock()
		w.stopped = true
		told[w.name] = w.acked
		if w.broke != nil {
			lost.connections++
		}
		w.mu.Unlock()
	}
	found, err := c.stored()
	for name, acked := range told {
		lost.acked += acked - min(acked, found[name])
	}
	return lost, err
}

func newWriter(ctx context.Context, addr, name string) (*writer, error) {
	c, err := rawclient.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	welcome, err := c.Greet(rawclient.Hello(name))
	if err != nil {
		c.Close()
		return nil, err
	}
	w := &writer{Client: c, name: name, session: welcome.GetSessionId(), changed: make(chan struct{})}
	room := make(chan struct{}, crashWindow)
	go w.send(ctx, room)    // ends with the connection, or stopped
	go w.receive(ctx, room) // ends with the connection
	return w, nil
}

func (w *writer) send(ctx context.Context, room chan<- struct{}) {
	for first := uint64(1); ; first += crashBatch {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		w.mu.Lock()
		over := w.stopped || w.broke != nil
		w.mu.Unlock()
		if over || w.Send(batch(first, first+crashBatch-1)) != nil {
			return // receive knows why
		}
	}
}

func (w *writer) receive(ctx context.Context, room <-chan struct{}) {
	for acked := uint64(0); ; {
		f, err := w.Recv()
		w.mu.Lock()
		w.acked, w.broke = max(w.acked, f.GetAck().GetSeq()), err
		now := w.acked
		close(w.changed)
		w.changed = make(chan struct{})
		w.mu.Unlock()
		if err != nil {
			return
		}
		for ; acked < now; acked += crashBatch {
			select {
			case <-room:
			case <-ctx.Done():
				return
			}
		}
	}
}

// await waits until so many messages are acknowledged. It returns how the connection broke if it
// does before.
func (w *writer) await(ctx context.Context, seq uint64) error {
	for {
		w.mu.Lock()
		acked, broke, changed := w.acked, w.broke, w.changed
		w.mu.Unlock()
		if broke != nil || acked >= seq {
			return broke
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s stands still at %d messages: %w", w.name, acked, ctx.Err())
		}
	}
}

// settle waits until the client has gone on or is cut off; if it must break, until it is.
func (w *writer) settle(ctx context.Context, mustBreak bool) error {
	w.mu.Lock()
	goal := w.acked + goesOnFor
	w.mu.Unlock()
	if mustBreak {
		goal = 1 << 62
	}
	err := w.await(ctx, goal)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broke != nil {
		return nil
	}
	return errors.Join(err, ctx.Err())
}
