package consumer

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// never is the deadline of a consumer nobody asked to end.
const never = math.MaxInt64

// ending is what a consumer was told about its end. It is begun by kill, which
// leaves time to finish a file, or by abandon, which does not; both may be
// called at any time, by anyone, and more than once.
type ending struct {
	epoch     time.Time
	deadline  atomic.Int64  // ns from epoch; from then on the writer stops at the next chunk
	begun     chan struct{} // closed by the first kill or abandon
	abandoned chan struct{} // closed by the first abandon

	mu sync.Mutex // serialises kill and abandon
}

func newEnding() *ending {
	e := &ending{epoch: time.Now(), begun: make(chan struct{}), abandoned: make(chan struct{})}
	e.deadline.Store(never)
	return e
}

// kill begins the end: no new file is begun, and the current one has grace to be
// finished; 0 or less is none. Of several calls the earliest deadline holds.
func (e *ending) kill(grace time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := int64(time.Since(e.epoch))
	deadline := now + min(max(int64(grace), 0), never-now)
	e.deadline.Store(min(e.deadline.Load(), deadline))
	closeOnce(e.begun)
}

// abandon ends everything at the next chunk, and nobody is to be told.
func (e *ending) abandon() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deadline.Store(0)
	closeOnce(e.begun)
	closeOnce(e.abandoned)
}

// hasBegun says that no new file may be begun.
func (e *ending) hasBegun() bool { return isClosed(e.begun) }

// isAbandoned says that nobody is left to be told anything.
func (e *ending) isAbandoned() bool { return isClosed(e.abandoned) }

// isDue says that the writer has to stop at once.
func (e *ending) isDue() bool {
	deadline := e.deadline.Load()
	return deadline != never && int64(time.Since(e.epoch)) >= deadline
}

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
