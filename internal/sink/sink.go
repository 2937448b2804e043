package sink

import (
	"bytes"
	"io"
	"os"
	"sync"
	"time"
)

// DefaultLimit is how many bytes wait for the reader at most: some 10 000 log lines.
const DefaultLimit = 1 << 20

// entrySize is what an entry of the queue costs beside its text, in bytes.
const entrySize = 64

// View is drawn below the lines, again whenever it has changed or lines were written. The
// Sink is locked when it calls these methods, one at a time.
type View interface {
	// Erase appends what takes the view off the terminal, if it is there.
	Erase(out *bytes.Buffer)
	// Draw appends what draws the view as it is now; it has been erased. fresh says that
	// it has changed, and not only that lines were written above it.
	Draw(out *bytes.Buffer, fresh bool)
}

// Sink is a writer that does not block. It may be used by several goroutines.
type Sink struct {
	to    device
	file  *os.File // nil if it does not write to one
	limit int

	mu      sync.Mutex
	note    func(lines uint64) []byte // guarded by mu
	queue   []entry                   // guarded by mu
	queued  int                       // guarded by mu; what queue takes, in bytes
	rest    []byte                    // guarded by mu; a line that has not been written to its end
	missing uint64                    // guarded by mu; lines left out behind the queue
	lost    uint64                    // guarded by mu; lines left out ever
	view    View                      // guarded by mu
	fresh   bool                      // guarded by mu; the view has changed
	parcel  parcel                    // guarded by mu; what is being written
	// guarded by mu; closed when the goroutine that writes ends; nil while there is none
	idle  chan struct{}
	moved time.Time // guarded by mu; when the reader last took something
	held  bool      // guarded by mu; nothing is written
	err   error     // guarded by mu; of the last write, nil if it went well
}

// entry is something that waits for the reader: lines, a gap, or a call.
type entry struct {
	text []byte
	gap  uint64 // so many lines are missing here
	call func()
}

// New returns a Sink for w. A *os.File is written to by its descriptor, and only when it
// takes something.
func New(w io.Writer) *Sink { return NewLimit(w, DefaultLimit) }

// NewLimit does what New does, with another limit of the queue, in bytes.
func NewLimit(w io.Writer, limit int) *Sink {
	s := &Sink{to: writerDevice{w}, limit: limit, note: plainNote}
	if f, ok := w.(*os.File); ok {
		s.file, s.to = f, fileDevice{f}
	}
	return s
}

// Of returns w if it is a Sink, and otherwise a new one for w.
func Of(w io.Writer) *Sink {
	if s, ok := w.(*Sink); ok {
		return s
	}
	return New(w)
}

// File returns the file that is written to; nil if it is none.
func (s *Sink) File() *os.File { return s.file }

// SetNote sets how the line reads that says how many lines were left out.
func (s *Sink) SetNote(note func(lines uint64) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note = note
}

// Write takes p. It never waits and never fails: there is nowhere to report a log that
// cannot be written. The end of a line that has none is waited for.
func (s *Sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, p...)
	end := bytes.LastIndexByte(s.rest, '\n') + 1
	if end == 0 && len(s.rest) > s.limit {
		s.rest = append(s.rest[:s.limit-1], '\n') // a line that nobody would want whole
		end = len(s.rest)
	}
	if end > 0 {
		s.add(bytes.Clone(s.rest[:end]))
		if s.rest = append(s.rest[:0], s.rest[end:]...); len(s.rest) == 0 {
			s.rest = nil
		}
	}
	return len(p), nil
}

// add queues whole lines if there is room. mu is held.
func (s *Sink) add(text []byte) {
	room := s.limit
	if s.missing > 0 {
		room /= 2 // one gap of many lines says more than many gaps
	}
	if s.queued+len(text)+entrySize > room {
		s.leaveOut(uint64(bytes.Count(text, newline)))
		s.start()
		return
	}
	s.markGap()
	s.queue = append(s.queue, entry{text: text})
	s.queued += len(text) + entrySize
	s.start()
}

var newline = []byte{'\n'}

// leaveOut counts lines that are left out behind the queue. mu is held.
func (s *Sink) leaveOut(lines uint64) {
	s.missing += lines
	s.lost += lines
}

// markGap puts what is missing into the queue, in its place. mu is held.
func (s *Sink) markGap() {
	if s.missing > 0 {
		s.queue = append(s.queue, entry{gap: s.missing})
		s.queued += entrySize
		s.missing = 0
	}
}

// Between queues a call of f between two lines, with the view off the terminal, by the goroutine
// that writes: f may write to the same terminal, and nothing else does meanwhile. Between itself
// does not wait.
func (s *Sink) Between(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.markGap()
	s.queue = append(s.queue, entry{call: f})
	s.queued += entrySize
	s.start()
}

// SetView draws v below the lines from now on, in place of the view before; nil draws
// nothing.
func (s *Sink) SetView(v View) {
	s.Between(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.view = v
	})
}

// Refresh asks for the view to be drawn again, because it has changed.
func (s *Sink) Refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view != nil {
		s.fresh = true
		s.start()
	}
}

// Lost returns how many lines were left out so far.
func (s *Sink) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Miss counts lines that were left out before, by another program in the same process.
func (s *Sink) Miss(lines uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lines > 0 {
		s.leaveOut(lines)
		s.start()
	}
}

// Err returns why the last write did not succeed; nil if it did.
func (s *Sink) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Hold stops all writing, as soon as the write that is under way returns, and returns how
// many lines have not been written and will not be, unless Resume is called.
func (s *Sink) Hold() (lines uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = true
	lines, untold := s.parcel.unwritten()
	lines += untold + s.missing
	for _, e := range s.queue {
		lines += e.gap + uint64(bytes.Count(e.text, newline))
	}
	return lines
}

// Resume continues after Hold.
func (s *Sink) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = false
	s.start()
}

// Limits of Flush, for the end of a process.
const (
	// Patience is how long a reader may take nothing before it counts as stalled.
	Patience = 2 * time.Second
	// Longest is how long a slow one is waited for.
	Longest = 10 * time.Second
)

// Flush waits until everything is written, also a line without an end. It gives up, and
// returns false, when the reader has taken nothing for Patience, or after Longest.
func (s *Sink) Flush() bool {
	s.mu.Lock()
	if len(s.rest) > 0 {
		s.add(append(s.rest, '\n'))
		s.rest = nil
	}
	s.mu.Unlock()
	began := time.Now()
	look := time.NewTicker(Patience / 20)
	defer look.Stop()
	for {
		s.mu.Lock()
		idle, moved := s.idle, s.moved
		s.mu.Unlock()
		if idle == nil {
			return true
		}
		select {
		case <-idle:
		case now := <-look.C:
			if moved.Before(began) {
				moved = began
			}
			if now.Sub(moved) > Patience || now.Sub(began) > Longest {
				return false
			}
		}
	}
}
