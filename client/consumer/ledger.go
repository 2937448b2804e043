package consumer

import (
	"sync"
	"time"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// ledger is the account of the work done since the last Progress. The writer
// enters, the reporter takes. The writer never waits for longer than it takes
// to swap two pointers.
type ledger struct {
	mu      sync.Mutex
	current *tally // guarded by mu
	spare   *tally // empty; of the reporter alone
	since   time.Time
}

// tally is the work of one interval.
type tally struct {
	bytes     uint64
	chunks    uint64
	errors    uint64
	lastError string
	writes    *latency.Recorder
}

func newLedger() *ledger {
	return &ledger{
		current: &tally{writes: latency.NewRecorder()},
		spare:   &tally{writes: latency.NewRecorder()},
		since:   time.Now(),
	}
}

// wrote enters one whole chunk, and how long the kernel took for it.
func (l *ledger) wrote(bytes int, took time.Duration) {
	l.mu.Lock()
	l.current.bytes += uint64(bytes)
	l.current.chunks++
	l.current.writes.Record(took)
	l.mu.Unlock()
}

// wroteSome enters the bytes of a chunk that could not be completed.
func (l *ledger) wroteSome(bytes int) {
	l.mu.Lock()
	l.current.bytes += uint64(bytes)
	l.mu.Unlock()
}

// failed enters a failed operation.
func (l *ledger) failed(err error) {
	text := err.Error()
	l.mu.Lock()
	l.current.errors++
	l.current.lastError = text
	l.mu.Unlock()
}

// take returns what was entered since the last take and begins the next
// interval. Only the reporter may call it.
func (l *ledger) take() *bulkheadv1.Progress {
	now := time.Now()
	l.mu.Lock()
	taken := l.current
	l.current = l.spare
	l.mu.Unlock()

	progress := &bulkheadv1.Progress{
		IntervalNano: int64(now.Sub(l.since)),
		Bytes:        taken.bytes,
		Chunks:       taken.chunks,
		Errors:       taken.errors,
		LastError:    taken.lastError,
		ChunkWrite:   taken.writes.Take().Proto(),
	}
	l.since = now
	l.spare = &tally{writes: taken.writes}
	return progress
}
