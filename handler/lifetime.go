package handler

import (
	"context"
	"errors"
	"time"

	"bulkhead/internal/protocol"
)

// errOrphaned ends the client's connection of a handler that nobody serves.
var errOrphaned = errors.New("the supervisor is gone")

// situation is what decides how long a handler lives.
type situation struct {
	lineGone bool // the process that started it has ended
	socket   bool // it was given a client's socket
	served   bool // Serve was called at least once
	serving  bool // a Serve call is running
	settled  bool // the client's connection has ended, and the supervisor has all that came over it
	idle     time.Duration
	grace    time.Duration
}

// verdict is what a handler does next.
type verdict uint8

const (
	stay   verdict = iota // until something changes, or the grace is over
	leave                 // nobody needs it
	giveUp                // it has waited long enough: it ends its client's connection and leaves
)

// judge returns what to do, and for stay how long; 0 is until something changes.
func (s situation) judge() (verdict, time.Duration) {
	switch {
	case s.serving:
		return stay, 0
	case s.lineGone && (!s.socket || s.settled):
		return leave, 0
	case !s.socket, !s.served && !s.lineGone: // the supervisor is alive, and at work on it
		return stay, 0
	case s.idle >= s.grace:
		return giveUp, 0
	default:
		return stay, s.grace - s.idle
	}
}

// situation looks at the handler.
func (h *handler) situation() situation {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := situation{
		lineGone: h.lineGone, socket: h.socket != nil, served: h.relay != nil, serving: h.busy,
		settled: h.relay != nil && h.relay.settled(),
		idle:    time.Since(h.idleSince), grace: h.grace,
	}
	if s.grace <= 0 {
		s.grace = protocol.OrphanGrace
	}
	return s
}

// orphaned notes that the process that started this one has ended.
func (h *handler) orphaned() {
	h.mu.Lock()
	h.lineGone = true
	if h.relay == nil {
		h.idleSince = time.Now()
	}
	h.mu.Unlock()
	signalChange(h.changed)
}

// keep returns when the process should end, or ctx is done.
func (h *handler) keep(ctx context.Context) {
	for {
		next, wait := h.situation().judge()
		switch next {
		case leave:
			return
		case giveUp:
			if h.giveUp(ctx) {
				return
			}
			continue
		}
		var over <-chan time.Time
		if wait > 0 {
			over = time.After(wait)
		}
		select {
		case <-h.changed:
		case <-over:
		case <-ctx.Done():
			return
		}
	}
}

// giveUp tells the client to come back later, and reports whether it did: a supervisor may come at
// the last moment. A client that takes no answer does not keep the handler.
func (h *handler) giveUp(ctx context.Context) bool {
	h.mu.Lock()
	if h.busy {
		h.mu.Unlock()
		return false
	}
	h.over = true
	drop, gone := h.drop, h.gone
	h.mu.Unlock()
	h.log.Warn("no supervisor came back in time; the client is sent away", "connection", h.passed.ID)
	if drop == nil {
		return true // the client still waits for its first answer; the end of the connection is one
	}
	drop(errOrphaned)
	late := time.NewTimer(2 * flushTimeout)
	defer late.Stop()
	select {
	case <-gone:
	case <-late.C:
	case <-ctx.Done():
	}
	return true
}
