package handler

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// clientConn is the client's socket: it repeats the bytes read ahead, counts what
// is read and remembers how it broke.
type clientConn struct {
	net.Conn
	ahead    []byte // bytes already read from Conn; only Read touches it
	received atomic.Uint64
	began    time.Time
	lastRead atomic.Int64 // nanoseconds from began to the last byte, by the monotonic clock

	closeOnce sync.Once
	closed    chan struct{} // closed by Close

	mu     sync.Mutex
	broken error // guarded by mu; the first error of a Read or Write
}

func newClientConn(c net.Conn) *clientConn {
	return &clientConn{Conn: c, began: time.Now(), closed: make(chan struct{})}
}

// unread makes the next Read return p again. It is called before Read has a second
// caller.
func (c *clientConn) unread(p []byte) { c.ahead = p }

func (c *clientConn) Read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.received.Add(uint64(n))
		c.lastRead.Store(int64(time.Since(c.began)))
	}
	c.note(err)
	return n, err
}

func (c *clientConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.note(err)
	return n, err
}

// Close closes the socket once; further calls do nothing.
func (c *clientConn) Close() error {
	err := net.ErrClosed
	c.closeOnce.Do(func() {
		close(c.closed)
		err = c.Conn.Close()
	})
	return err
}

// CloseWrite tells the client that nothing more will come, if the socket can.
func (c *clientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (c *clientConn) note(err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		c.broken = err
	}
}

// quiet is how long nothing has been read from the client.
func (c *clientConn) quiet() time.Duration {
	return time.Since(c.began) - time.Duration(c.lastRead.Load())
}

// story says how the connection broke; silence is the time without a byte after
// which the server gives a client up. The only deadline that a Read can miss here is
// the one of gRPC's handshake, which is the Hello's.
func (c *clientConn) story(silence time.Duration) *violation {
	c.mu.Lock()
	err := c.broken
	c.mu.Unlock()
	quiet := c.quiet()
	switch {
	case isTimeout(err):
		return tooSlow("client said no Hello in time")
	case errors.Is(err, io.EOF):
		return closedByClient("client closed the connection")
	case isReset(err):
		return closedByClient("client reset the connection")
	case errors.Is(err, syscall.ETIMEDOUT):
		return silent("client acknowledged nothing that was sent to it: %v", err)
	case err != nil && !errors.Is(err, net.ErrClosed):
		return lost("connection broke: %v", err)
	case quiet >= silence:
		return silent("client sent nothing and answered no ping for %s", quiet.Round(100*time.Millisecond))
	default:
		return broken(connectionRefused, "client sent bytes that are not HTTP/2")
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// oneConn is a listener that accepts one connection and then waits for Close.
type oneConn struct {
	addr   net.Addr
	conn   chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func newOneConn(c net.Conn) *oneConn {
	l := &oneConn{addr: c.LocalAddr(), conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conn <- c
	return l
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return l.addr }
