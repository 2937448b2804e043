package main

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// stdout is standard output. When its reader has seen enough (`bulkhead report … | head`)
// that is no error: what is written from then on is thrown away, and the command ends as
// if it had been read.
type stdout struct {
	w io.Writer

	mu    sync.Mutex
	gone  bool      // guarded by mu
	began time.Time // guarded by mu; when the write in progress began; zero if none is
	err   error     // guarded by mu; of the first write that failed, until lost takes it
}

// stdoutOf returns w as standard output.
func stdoutOf(w io.Writer) *stdout { return &stdout{w: w} }

// File is the file that is written to; nil if it is none.
func (s *stdout) File() *os.File {
	f, _ := s.w.(*os.File)
	return f
}

func (s *stdout) Write(p []byte) (int, error) {
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

// lost takes the error of the first write that failed since it was asked last; nil if none
// did. Most that is printed for people is printed without a look at each write.
func (s *stdout) lost() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err, s.err = s.err, nil
	return err
}

// heldUp reports whether a write has waited for its reader for lastMoment or longer.
func (s *stdout) heldUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.began.IsZero() && time.Since(s.began) >= lastMoment
}
