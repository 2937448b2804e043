package consumer

import (
	"sync"
	"time"
)

// ending is what a consumer was told about its end. It is begun by kill, which
// leaves time to finish a file, or by abandon, which does not; both may be
// called at any time, by anyone, and more than once.
type ending struct {
	begun     chan struct{} // closed by the first kill or abandon
	due       chan struct{} // closed when the writers have to stop at the next chunk
	over      chan struct{} // closed when reading back has to stop, no earlier than due
	abandoned chan struct{} // closed by the first abandon

	mu     sync.Mutex // serialises the closing
	at     time.Time  // when begun was closed; guarded by mu
	hasty  bool       // a kill left no time; guarded by mu
	shared bool       // the writers have half of the grace, the rest is for reading back; guarded by mu
}

func newEnding() *ending {
	return &ending{begun: make(chan struct{}), due: make(chan struct{}), over: make(chan struct{}),
		abandoned: make(chan struct{})}
}

// share leaves half of the grace of a later kill to reading back.
func (e *ending) share() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shared = true
}

// kill begins the end: no new file is begun, and the current ones have grace to be
// finished, and read back if that is asked for; 0 or less is none. Of several calls the
// earliest deadline holds.
func (e *ending) kill(grace time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if grace <= 0 {
		e.hasty = true
		closeOnce(e.over)
		closeOnce(e.due)
		e.begin() // last: who sees that the end has begun sees that there is no time for it
		return
	}
	e.begin()
	writing := grace
	if e.shared {
		writing = grace / 2
	}
	e.closeAfter(writing, e.due)
	e.closeAfter(grace, e.over)
}

// begin begins the end, once. The caller holds mu.
func (e *ending) begin() {
	if e.at.IsZero() {
		e.at = time.Now()
	}
	closeOnce(e.begun)
}

// begunAt returns when the end began; zero before.
func (e *ending) begunAt() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at
}

// isHasty reports whether somebody left no time for the end.
func (e *ending) isHasty() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.hasty
}

// closeAfter closes c after d, and at once if that is no time. The caller holds mu.
func (e *ending) closeAfter(d time.Duration, c chan struct{}) {
	if d <= 0 {
		closeOnce(c)
	}
	if isClosed(c) {
		return
	}
	time.AfterFunc(d, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		closeOnce(c)
	})
}

// abandon ends everything at the next chunk, and nobody is to be told.
func (e *ending) abandon() {
	e.mu.Lock()
	defer e.mu.Unlock()
	closeOnce(e.abandoned)
	closeOnce(e.over)
	closeOnce(e.due)
	e.begin() // last, as in kill
}

// hasBegun reports whether no new file may be begun.
func (e *ending) hasBegun() bool { return isClosed(e.begun) }

// isAbandoned reports whether nobody is left to be told anything.
func (e *ending) isAbandoned() bool { return isClosed(e.abandoned) }

// isDue reports whether the writers have to stop at once.
func (e *ending) isDue() bool { return isClosed(e.due) }

// pause waits for d, or until the end has begun.
func (e *ending) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.begun:
	}
}

// closeOnce closes c unless it is closed; the caller serialises.
func closeOnce(c chan struct{}) {
	if !isClosed(c) {
		close(c)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
