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

	"golang.org/x/net/http2"
)

// clientConn is the client's socket: it repeats the bytes read ahead, counts what
// is read, follows the HTTP/2 frames and remembers how it broke.
type clientConn struct {
	net.Conn
	// silence is how long the client may send nothing before it is given up; set before
	// the HTTP/2 server has the socket.
	silence time.Duration
	// flooded is called once when the client floods; no more is read then. Set with silence.
	flooded func(*violation)

	ahead    []byte // bytes already read from Conn; only Read touches it
	received atomic.Uint64
	began    time.Time
	lastRead atomic.Int64 // nanoseconds from began to the last byte, by the monotonic clock

	closeOnce sync.Once
	closed    chan struct{} // closed by Close

	fault *violation // of the transport; read it after closed is closed

	writing sync.Mutex // held while something is written
	cut     bool       // guarded by writing; the last bytes were not written whole

	mu     sync.Mutex
	broken error      // guarded by mu; the first error of a Read or Write
	heard  *overheard // guarded by mu; nil before the HTTP/2 server has the socket
	ending bool       // guarded by mu; this side ends the connection
}

func newClientConn(c net.Conn) *clientConn {
	return &clientConn{Conn: c, began: time.Now(), closed: make(chan struct{})}
}

// overhear begins to follow the frames, behind the preface.
func (c *clientConn) overhear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = newOverheard()
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
	if c.follow(p[:n]) {
		c.flooded(c.flood())
		<-c.closed // what has come waits until the client is told
		return 0, net.ErrClosed
	}
	return n, err
}

// follow looks at what was read, and reports whether it is too much of nothing.
func (c *clientConn) follow(p []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard == nil {
		return false
	}
	c.heard.purse.fill(time.Since(c.began))
	c.heard.in.scan(p)
	return c.heard.flood
}

// Write writes to the client. What is written is noted before: a client that closes the
// connection as soon as it has read it must not end as one that was told nothing.
func (c *clientConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	if c.heard != nil {
		c.heard.out.scan(p)
	}
	c.mu.Unlock()
	n, err := c.Conn.Write(p)
	c.cut = c.cut || n < len(p)
	c.note(err)
	return n, err
}

// Close closes the socket once; further calls do nothing. Where it is the HTTP/2 server
// that gives the client up for its frames, the client is told before: the server itself
// says nothing.
func (c *clientConn) Close() error {
	err := net.ErrClosed
	c.closeOnce.Do(func() {
		if c.fault = c.transportFault(); c.fault != nil {
			c.end()
			c.goAway(http2.ErrCodeProtocol, c.fault.text)
		}
		close(c.closed)
		err = c.Conn.Close()
	})
	return err
}

// end notes that what closes the connection from here on is this side's own doing.
func (c *clientConn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
}

// lastWords bounds how long a client that broke HTTP/2 may take to read why.
const lastWords = 250 * time.Millisecond

// goAway writes a GOAWAY with words, if the last frame that was written is whole, and lets
// them arrive: closing with unread input would reset the connection. Errors do not
// matter: the connection is given up anyway.
func (c *clientConn) goAway(code http2.ErrCode, words string) {
	_ = c.SetDeadline(time.Now().Add(lastWords)) // ends a Write that waits
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	whole := c.heard != nil && c.heard.out.between() && !c.cut
	c.mu.Unlock()
	if !whole {
		return
	}
	if err := http2.NewFramer(c.Conn, nil).WriteGoAway(1<<31-1, code, []byte(words)); err != nil {
		return
	}
	_ = c.CloseWrite()
	_, _ = io.CopyN(io.Discard, c.Conn, 64<<10)
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
	if c.broken == nil && !c.ending {
		c.broken = err
	}
}

// quiet returns how long nothing has been read from the client.
func (c *clientConn) quiet() time.Duration {
	return time.Since(c.began) - time.Duration(c.lastRead.Load())
}

// transportFault returns what is wrong with the client's frames, when the HTTP/2 server closes
// the socket and nothing else explains it; nil otherwise.
func (c *clientConn) transportFault() *violation {
	quiet := c.quiet()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard == nil || c.broken != nil || c.ending || quiet >= c.silence {
		return nil
	}
	return transport("%s", c.heard.fault())
}

// flood returns why nothing more is read from a client.
func (c *clientConn) flood() *violation {
	return transport("client sent a flood of HTTP/2 frames that carry nothing, such as PING, SETTINGS or RST_STREAM: "+
		"more than %d at once, or %d a second", purseMost, purseASecond)
}

// streamEnd returns why a stream ended while the connection stands, as far as the frames
// tell; nil if they do not.
func (c *clientConn) streamEnd() *violation {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.heard == nil:
		return nil
	case c.heard.resetByClient != nil:
		return streamEnded("client cancelled its stream (RST_STREAM %s)", c.heard.resetByClient.code)
	case c.heard.resetByUs != nil && c.heard.resetByUs.code != http2.ErrCodeCancel &&
		c.heard.resetByUs.code != http2.ErrCodeNo:
		return transport("client's stream broke HTTP/2 and was reset (RST_STREAM %s)", c.heard.resetByUs.code)
	default:
		return nil
	}
}

// farewell returns the words of the client's GOAWAY, to follow how the connection ended.
func (c *clientConn) farewell() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard == nil || c.heard.goAwayByClient == "" {
		return ""
	}
	return ": " + c.heard.goAwayByClient
}

// story returns how the connection broke. The only deadline that a Read can miss here is
// the one of gRPC's handshake, which is the Hello's.
func (c *clientConn) story() *violation {
	c.mu.Lock()
	err := c.broken
	c.mu.Unlock()
	quiet := c.quiet()
	switch {
	case isTimeout(err):
		return tooSlow("client said no Hello in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return closedByClient("client closed the connection%s", c.farewell())
	case isReset(err):
		return closedByClient("client reset the connection")
	case errors.Is(err, syscall.ETIMEDOUT):
		return silent("client acknowledged nothing that was sent to it: %v", err)
	case err != nil && !errors.Is(err, net.ErrClosed):
		return lost("connection broke: %v", err)
	case quiet >= c.silence:
		return silent("client sent nothing and answered no ping for %s", quiet.Round(100*time.Millisecond))
	}
	select {
	case <-c.closed:
		if c.fault != nil {
			return c.fault
		}
	default:
	}
	return lost("connection was closed on this side") // why is told elsewhere
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
