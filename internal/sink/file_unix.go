package sink

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pipeBuf is what a pipe takes whole or not at all (PIPE_BUF).
	pipeBuf = 4096
	// askEvery is how often it is asked, while a reader takes nothing, whether anything
	// is still to be written.
	askEvery = 100 * time.Millisecond
	// fullFor is how long to wait for a descriptor that somebody made non-blocking and
	// that says that it has room when it has too little.
	fullFor = 10 * time.Millisecond
)

// fileDevice writes to a descriptor. It neither changes its modes nor lets Go's poller.
type fileDevice struct {
	file *os.File // keeps fd open
	fd   int
}

func newFileDevice(f *os.File) fileDevice {
	d := fileDevice{file: f, fd: -1}
	if raw, err := f.SyscallConn(); err == nil { // Fd would make the description blocking
		_ = raw.Control(func(fd uintptr) { d.fd = int(fd) }) // a closed file has none, which put finds
	}
	return d
}

func (d fileDevice) put(p []byte, goOn func() bool) (written int, err error) {
	for len(p) > 0 {
		if ready, err := writable(d.fd, askEvery); err != nil {
			return written, err
		} else if !goOn() {
			return written, errHeld
		} else if !ready {
			continue
		}
		n, err := unix.Write(d.fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			time.Sleep(fullFor)
		case err != nil:
			return written, &os.PathError{Op: "write", Path: d.file.Name(), Err: err}
		case n == 0:
			return written, io.ErrShortWrite
		}
		written += max(n, 0)
		p = p[max(n, 0):]
	}
	return written, nil
}

// writable waits until a write does not block, which also an error of it does not.
func writable(fd int, within time.Duration) (bool, error) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(p, int(within.Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}
