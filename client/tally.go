package client

import (
	"sync"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// totals is what the consumers say they did.
type totals struct {
	Files, Bytes, Chunks, Errors uint64
	// LastError is the text of the last error.
	LastError string
}

// tally adds up what the consumers say they did. It may be used by several
// goroutines.
type tally struct {
	mu  sync.Mutex
	sum totals // guarded by mu
}

// count adds what a message says, and returns the sum.
func (t *tally) count(m *bulkheadv1.Message) totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch f := m.GetFact().(type) {
	case *bulkheadv1.Message_Progress:
		t.sum.Bytes += f.Progress.GetBytes()
		t.sum.Chunks += f.Progress.GetChunks()
		t.sum.Errors += f.Progress.GetErrors()
		t.sum.LastError = or(f.Progress.GetLastError(), t.sum.LastError)
	case *bulkheadv1.Message_Rollover:
		t.sum.Files++
	}
	return t.sum
}

func (t *tally) totals() totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sum
}
