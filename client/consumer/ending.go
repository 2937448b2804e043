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
	abandoned chan struct{} // closed by the first abandon

	mu sync.Mutex // serialises the closing
}

func newEnding() *ending {
	return &ending{begun: make(chan struct{}), due: make(chan struct{}), abandoned: make(chan struct{})}
}

// kill begins the end: no new file is begun, and the current ones have grace to be
// finished; 0 or less is none. Of several calls the earliest deadline holds.
func (e *ending) kill(grace time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	closeOnce(e.begun)
	if grace <= 0 {
		closeOnce(e.due)
		return
	}
	if !isClosed(e.due) {
		time.AfterFunc(grace, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			closeOnce(e.due)
		})
	}
}

// abandon ends everything at the next chunk, and nobody is to be told.
func (e *ending) abandon() {
	e.mu.Lock()
	defer e.mu.Unlock()
	closeOnce(e.begun)
	closeOnce(e.due)
	closeOnce(e.abandoned)
}

// hasBegun says that no new file may be begun.
func (e *ending) hasBegun() bool { return isClosed(e.begun) }

// isAbandoned says that nobody is left to be told anything.
func (e *ending) isAbandoned() bool { return isClosed(e.abandoned) }

// isDue says that the writers have to stop at once.
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
