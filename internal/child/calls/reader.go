package calls

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// readBytes is how much is read at once.
const readBytes = 16 << 10

// reads are buffers for what was read. Nobody has one while nothing comes: there are thousands of
// connections.
var reads = sync.Pool{New: func() any { return new([readBytes]byte) }}

// reader reads a connection with a buffer that it has only while there is something in it.
type reader struct {
	io.Reader                 // the connection
	raw       syscall.RawConn // nil for one that has none
	buffer    *[readBytes]byte
	rest      []byte // of buffer
}

func newReader(conn net.Conn) *reader {
	r := &reader{Reader: conn}
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			r.raw = raw
		}
	}
	return r
}

// Read implements io.Reader.
func (r *reader) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		reads.Put(r.buffer)
		r.buffer = nil
	}
	return n, nil
}

// fill waits until there is something to read, and reads it.
func (r *reader) fill() error {
	var n int
	var err error
	if r.raw == nil {
		r.buffer = reads.Get().(*[readBytes]byte)
		n, err = r.Reader.Read(r.buffer[:])
	} else if closed := r.raw.Read(func(fd uintptr) bool {
		r.buffer = reads.Get().(*[readBytes]byte)
		for n, err = syscall.Read(int(fd), r.buffer[:]); err == syscall.EINTR; {
			n, err = syscall.Read(int(fd), r.buffer[:])
		}
		if err == syscall.EAGAIN {
			reads.Put(r.buffer)
			r.buffer = nil
			return false
		}
		return true
	}); closed != nil {
		return closed
	}
	if err == nil && n <= 0 {
		err = io.EOF
	}
	if err != nil {
		reads.Put(r.buffer)
		r.buffer = nil
		return err
	}
	r.rest = r.buffer[:n]
	return nil
}
