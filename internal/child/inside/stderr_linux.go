package inside

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// atomicBytes is what a pipe that has room takes without blocking (PIPE_BUF).
	atomicBytes = 4096
	// patience is how long a line may wait for room, once: the lines after one that
	// was left out do not wait, until one finds room again.
	patience = 100 * time.Millisecond
)

// stderr writes lines to a pipe that may have lost its reader, or whose reader may
// have been stopped. The pipe is the queue; what does not fit is left out and
// counted. Write always succeeds: there is nowhere to report a log that cannot be
// written.
type stderr struct {
	fd int

	mu      sync.Mutex
	dropped int // guarded by mu; lines left out since the last one written
}

// Write writes one line. A long one is cut off: a parent would do so too.
func (s *stderr) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := patience
	if s.dropped > 0 {
		wait = 0
	}
	if !s.hasRoom(wait) {
		s.dropped++
		return len(line), nil
	}
	if s.dropped > 0 {
		s.put(fmt.Appendf(nil, `{%q:%q,%q:"nobody took the log, lines left out","lines":%d}`+"\n",
			slog.LevelKey, slog.LevelWarn, slog.MessageKey, s.dropped))
		s.dropped = 0
		if !s.hasRoom(0) {
			s.dropped++
			return len(line), nil
		}
	}
	s.put(line)
	return len(line), nil
}

// hasRoom waits until a write of atomicBytes does not block.
func (s *stderr) hasRoom(d time.Duration) bool {
	p := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
	for {
		n, err := unix.Poll(p, int(d.Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n > 0 // an error of the pipe is found by the write
		}
	}
}

// put writes at most atomicBytes, which end in a newline.
func (s *stderr) put(line []byte) {
	if len(line) > atomicBytes {
		line = append(line[:atomicBytes-1:atomicBytes-1], '\n')
	}
	_, _ = unix.Write(s.fd, line)
}
