package client

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
	"bulkhead/internal/substance"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// totals is what the consumers say they did.
type totals struct {
	Files, Bytes, Chunks, Errors uint64
	// LastError is the text of the last error.
	LastError string
	// VerifiedBytes were read back; Corrupt blocks of them were not what was written.
	VerifiedBytes, Corrupt uint64
	// ReadBytes were read beside the writing, in so many Reads.
	ReadBytes, Reads uint64
	// Unjudged is what was written in a warm-up, or in stages that are not reported.
	Unjudged uint64
	// From and To are when writing began and ended, by the clock that is never set, in
	// nanoseconds.
	From, To int64
	// FirstCorruption says where the first of them is, and what.
	FirstCorruption string
}

// tally adds up what the consumers say they did. It may be used by several
// goroutines.
type tally struct {
	mu   sync.Mutex
	sum  totals                         // guarded by mu
	each map[uint32]*substance.Consumer // by index; guarded by mu
}

// of returns the account of one consumer. The caller holds mu.
func (t *tally) of(p *bulkheadv1.Process) *substance.Consumer {
	if t.each == nil {
		t.each = make(map[uint32]*substance.Consumer)
	}
	if t.each[p.GetIndex()] == nil {
		t.each[p.GetIndex()] = &substance.Consumer{Index: p.GetIndex()}
	}
	return t.each[p.GetIndex()]
}

// consumer returns what one consumer did, as far as it said.
func (t *tally) consumer(index uint32) substance.Consumer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return *t.of(&bulkheadv1.Process{Index: index})
}

// count adds what a message says.
func (t *tally) count(m *bulkheadv1.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch f := m.GetFact().(type) {
	case *bulkheadv1.Message_Progress:
		one := t.of(m.GetProcess())
		one.Met = one.Met || f.Progress.GetReadNeighbours() > 0
		if f.Progress.GetWarmup() {
			t.warm(f.Progress)
			return
		}
		t.sum.span(m.GetElapsedNano(), f.Progress)
		t.sum.Bytes += f.Progress.GetBytes()
		t.sum.Chunks += f.Progress.GetChunks()
		t.sum.Errors += f.Progress.GetErrors()
		t.sum.LastError = cmp.Or(f.Progress.GetLastError(), t.sum.LastError)
		t.sum.VerifiedBytes += f.Progress.GetVerifiedBytes()
		t.sum.Corrupt += f.Progress.GetCorruptBlocks()
		t.sum.ReadBytes += f.Progress.GetReadBytes()
		t.sum.Reads += f.Progress.GetReads()
		one.Bytes += f.Progress.GetBytes()
		one.Chunks += f.Progress.GetChunks()
		one.VerifiedBytes += f.Progress.GetVerifiedBytes()
		one.ReadBytes += f.Progress.GetReadBytes()
		one.Writing += time.Duration(f.Progress.GetIntervalNano())
	case *bulkheadv1.Message_Corruption:
		t.sum.FirstCorruption = cmp.Or(t.sum.FirstCorruption, corruptionText(f.Corruption))
	case *bulkheadv1.Message_Rollover:
		t.sum.Files++
		one := t.of(m.GetProcess())
		one.Files++
		if f.Rollover.GetPartial() {
			one.Partial++
		}
	case *bulkheadv1.Message_Monitor:
		t.of(m.GetProcess()).Samples++
	}
}

// warm adds what matters of a warm-up, which no figure has: what went wrong. t.mu is held.
func (t *tally) warm(p *bulkheadv1.Progress) {
	t.sum.Unjudged += p.GetBytes()
	t.sum.Errors += p.GetErrors()
	t.sum.LastError = cmp.Or(p.GetLastError(), t.sum.LastError)
	t.sum.VerifiedBytes += p.GetVerifiedBytes()
	t.sum.Corrupt += p.GetCorruptBlocks()
}

// written returns what was written so far, judged or not.
func (s totals) written() uint64 { return s.Bytes + s.Unjudged }

// span widens the time of writing to that of an interval.
func (s *totals) span(end int64, p *bulkheadv1.Progress) {
	if p.GetIntervalNano() <= 0 && p.GetBytes() == 0 {
		return // it no longer writes
	}
	if from := end - p.GetIntervalNano(); s.From == 0 || from < s.From {
		s.From = from
	}
	s.To = max(s.To, end)
}

// corruptionText returns a corruption in one line.
func corruptionText(c *bulkheadv1.Corruption) string {
	kind := protocol.Word(c.GetKind())
	text := fmt.Sprintf("%s, %d bytes at offset %d: %s: expected %s; found %s",
		pathname.Printable(pathname.Of(c)), c.GetLengthBytes(), c.GetOffsetBytes(), kind, c.GetExpected(), c.GetFound())
	if c.GetOwnerName() != "" {
		text += fmt.Sprintf("; written by client %s on host %s", pathname.Printable(c.GetOwnerName()),
			pathname.Printable(c.GetOwnerHost()))
	}
	return text
}

func (t *tally) totals() totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sum
}
