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

// fileDevice writes to a file's descriptor. It neither changes its modes nor has Go's poller
// look after it.
type fileDevice struct{ file *os.File }

func (d fileDevice) put(p []byte, goOn func() bool) (written int, err error) {
	raw, err := d.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	for len(p) > 0 && err == nil {
		n := 0
		closed := raw.Control(func(fd uintptr) { n, err = try(int(fd), p, goOn) })
		written += n
		p = p[n:]
		err = errors.Join(closed, err)
	}
	if err != nil && !errors.Is(err, errHeld) {
		err = &os.PathError{Op: "write", Path: d.file.Name(), Err: err}
	}
	return written, err
}

// try writes as much as goes now, or waits for a while if nothing does.
func try(fd int, p []byte, goOn func() bool) (int, error) {
	ready, err := writable(fd, askEvery)
	switch {
	case err != nil:
		return 0, err
	case !goOn():
		return 0, errHeld
	case !ready:
		return 0, nil
	}
	n, err := unix.Write(fd, p)
	switch {
	case errors.Is(err, unix.EINTR):
		return 0, nil
	case errors.Is(err, unix.EAGAIN):
		time.Sleep(fullFor)
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.ErrShortWrite
	default:
		return n, nil
	}
}

// writable waits until a write does not block, which also an error of it does not.
func writable(fd int, within time.Duration) (bool, error) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(p, int(within.Milliseconds()))
	if errors.Is(err, unix.EINVAL) && fd < unix.FD_SETSIZE { // RLIMIT_NOFILE is 0, see poll(2); select(2) does not mind
		var set unix.FdSet
		set.Set(fd)
		wait := unix.NsecToTimeval(within.Nanoseconds())
		n, err = unix.Select(fd+1, nil, &set, nil, &wait)
	}
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}
