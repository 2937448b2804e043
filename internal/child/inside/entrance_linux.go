package inside

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"bulkhead/internal/child/handshake"
	"bulkhead/internal/fdpass"
)

const (
	// strangersMost is how many connections there may be on which nobody has shown the secret. One
	// more ends the oldest of them, so that no number of them keeps the parent out.
	strangersMost = 8
	// strangerTime is how long each may stay one.
	strangerTime = 10 * time.Second
	// strangerBytes is how much of what it says is read. What a parent says until its first call shows
	// the secret is a tenth of that.
	strangerBytes = 4 << 10
)

// entrance is where the parent comes in, or whoever takes its place: processes of the parent's user,
// which show the child's secret with every call. Another user's connection is closed before a byte of
// it is read.
type entrance struct {
	net.Listener
	uid    uint32
	secret handshake.Secret

	mu        sync.Mutex
	strangers []*caller // guarded by mu; those that have not shown the secret, the oldest first
}

// entranceBehind returns the entrance of a child with this line to its parent, without its listener.
func entranceBehind(line *net.UnixConn) (*entrance, error) {
	parent, err := handshake.Peer(line) // it has made the line
	if err != nil {
		return nil, err
	}
	return &entrance{uid: parent.Uid, secret: handshake.Secret(fdpass.Confided(line))}, nil
}

// Accept implements net.Listener.
func (e *entrance) Accept() (net.Conn, error) {
	for {
		conn, err := e.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, err := handshake.Peer(conn.(syscall.Conn))
		switch {
		case err != nil || from.Uid != e.uid:
			conn.Close()
		case e.secret == "": // there is nothing to show
			return conn, nil
		default:
			return e.watch(conn), nil
		}
	}
}

// watch returns a connection that is a stranger's until a call on it shows the secret.
func (e *entrance) watch(conn net.Conn) *caller {
	c := &caller{Conn: conn, entrance: e, left: strangerBytes}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.strangers) >= strangersMost {
		e.strangers[0].Conn.Close()
		e.strangers = slices.Delete(e.strangers, 0, 1)
	}
	e.strangers = append(e.strangers, c)
	c.late = time.AfterFunc(strangerTime, func() { conn.Close() })
	return c
}

// check refuses a call that does not show the secret, whatever it is for. gRPC calls it with the
// headers of a call, before there is anything else of it, where it reads the connection.
func (e *entrance) check(ctx context.Context, call *tap.Info) (context.Context, error) {
	if e.secret == "" {
		return ctx, nil
	}
	var c *caller
	if from, ok := peer.FromContext(ctx); ok {
		c, _ = from.Addr.(*caller)
	}
	if c == nil || !c.shows(call.Header[handshake.SecretKey]) {
		return nil, status.Error(codes.PermissionDenied, "this process serves the one that has started it, and who "+
			"takes its place: the call does not show its secret")
	}
	return ctx, nil
}

// caller is a connection to the entrance.
type caller struct {
	net.Conn
	entrance *entrance
	late     *time.Timer // ends a stranger's

	// These are whoever's who reads.
	known bool
	left  int // how much is still read of a stranger's
}

// shows reports whether a call with these values shows the secret.
func (c *caller) shows(values []string) bool {
	if !c.entrance.secret.Is(values) {
		return false
	}
	if !c.known {
		c.known = true
		c.settled()
	}
	return true
}

var errStranger = errors.New("a stranger says too much")

// Read implements net.Conn.
func (c *caller) Read(b []byte) (int, error) {
	if c.known {
		return c.Conn.Read(b)
	}
	if c.left <= 0 {
		return 0, errStranger
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}

// Close implements net.Conn.
func (c *caller) Close() error {
	c.settled()
	return c.Conn.Close()
}

// settled has the entrance watch the connection no more.
func (c *caller) settled() {
	c.entrance.mu.Lock()
	defer c.entrance.mu.Unlock()
	c.late.Stop()
	c.entrance.strangers = slices.DeleteFunc(c.entrance.strangers, func(other *caller) bool { return other == c })
}

// RemoteAddr implements net.Conn: by it gRPC names the connection of a call.
func (c *caller) RemoteAddr() net.Addr { return c }

// Network and String implement net.Addr.
func (c *caller) Network() string { return "unix" }
func (c *caller) String() string  { return "the parent's side" }
