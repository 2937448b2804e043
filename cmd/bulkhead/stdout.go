package main

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

// stdout is standard output. When its reader has seen enough (`bulkhead report … | head`)
// that is no error: what is written from then on is thrown away, and the command ends as
// if it had been read.
type stdout struct {
	w io.Writer

	mu   sync.Mutex
	gone bool // guarded by mu
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
	gone := s.gone
	s.mu.Unlock()
	if gone {
		return len(p), nil
	}
	n, err := s.w.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		s.mu.Lock()
		s.gone = true
		s.mu.Unlock()
		return len(p), nil
	}
	return n, err
}
