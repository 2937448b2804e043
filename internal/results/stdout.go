package results

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// Stdout is standard output. When its reader has seen enough (`bulkhead report … | head`)
// that is no error: what is written from then on is thrown away, and the command ends as
// if it had been read.
type Stdout struct {
	w io.Writer

	mu    sync.Mutex
	gone  bool      // guarded by mu
	began time.Time // guarded by mu; since when the reader is waited for; zero if it is not
	err   error     // guarded by mu; of the first write that failed, until Lost takes it
}

// Of returns w as standard output.
func Of(w io.Writer) *Stdout { return &Stdout{w: w} }

// File returns the file that is written to; nil if it is none.
func (s *Stdout) File() *os.File {
	f, _ := s.w.(*os.File)
	return f
}

// pieceBytes is how much is written at once, so that the progress of a slow reader is seen: a
// page, the least that a full pipe takes when its reader has read some.
const pieceBytes = 4096

// Write writes p, or throws it away if the reader has gone. Lost tells of any other error.
func (s *Stdout) Write(p []byte) (n int, err error) {
	for done := false; !done && err == nil; {
		piece := p[n:min(n+pieceBytes, len(p))]
		var wrote int
		wrote, err = s.write(piece)
		n += wrote
		done = n == len(p)
	}
	return n, err
}

// write writes one piece.
func (s *Stdout) write(p []byte) (int, error) {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return len(p), nil
	}
	s.began = time.Now()
	s.mu.Unlock()
	n, err := s.w.Write(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = time.Time{}
	if errors.Is(err, syscall.EPIPE) {
		s.gone = true
		return len(p), nil
	}
	if s.err == nil {
		s.err = err
	}
	return n, err
}

// Lost takes the error of the first write that failed since it was asked last; nil if none
// did. Most that is printed for people is printed without a look at each write.
func (s *Stdout) Lost() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err, s.err = s.err, nil
	return err
}

// waits notes that the reader is waited for from now on, although no write is in progress: a
// terminal that takes no line of the log takes nothing else.
func (s *Stdout) waits() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = time.Now()
}

// waited ends what waits began.
func (s *Stdout) waited() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = time.Time{}
}

// held returns for how long the reader has taken nothing of what it was given, at most since
// then; 0 if nothing waits for it.
func (s *Stdout) held(since time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.began.IsZero():
		return 0
	case s.began.After(since):
		since = s.began
	}
	return time.Since(since)
}

// HeldUp reports whether a write has waited for its reader for LastMoment or longer.
func (s *Stdout) HeldUp() bool { return s.held(time.Time{}) >= LastMoment }
