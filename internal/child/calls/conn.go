package calls

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// frameBytes is how much a frame has at most, of either side: what HTTP/2 begins with.
	frameBytes = 16 << 10
	// firstWindow is what HTTP/2 begins with.
	firstWindow = 65535
	// largestWindow is the largest there is.
	largestWindow = 1<<31 - 1
	// giveUp is how long a call that was given up may wait to say so: a connection that takes nothing
	// for so long is closed.
	giveUp = 100 * time.Millisecond
	// takeWithin is how long any write may wait: for one of a call that is over nobody gives up.
	takeWithin = 5 * time.Second
)

// Options are the bounds of a connection.
type Options struct {
	// MaxMessageBytes bounds each message, in either direction.
	MaxMessageBytes int
	// MaxHeaderBytes bounds the headers and the trailers of an answer.
	MaxHeaderBytes uint32
	// WindowBytes is how much of all calls may have come and not be received yet.
	WindowBytes uint32
	// Show is what each call has in its metadata, by key and value.
	Show [][2]string
}

// Conn is a connection. It implements grpc.ClientConnInterface. Its methods may be called at the same
// time.
type Conn struct {
	conn net.Conn
	o    Options
	done chan struct{} // closed when nothing is read any more

	writing sync.Mutex
	out     bytes.Buffer   // guarded by writing; what is written at once
	framer  *http2.Framer  // guarded by writing; to out
	block   bytes.Buffer   // guarded by writing; of headers
	encoder *hpack.Encoder // guarded by writing; to block

	mu      sync.Mutex
	calls   map[uint32]*call // guarded by mu; those that are not over
	last    uint32           // guarded by mu; the number of the newest
	over    error            // guarded by mu; why no further call can be made; nil if it can
	room    int64            // guarded by mu; how much may be sent
	initial int64            // guarded by mu; how much of a new call may be sent
	window  window           // guarded by mu; of all that comes
}

// New begins to speak with the server at the other end of a connection, which it owns from then on.
func New(conn net.Conn, o Options) (*Conn, error) {
	c := &Conn{conn: conn, o: o, done: make(chan struct{}), calls: make(map[uint32]*call), room: firstWindow,
		initial: firstWindow, window: window{most: int64(o.WindowBytes)}}
	c.framer = http2.NewFramer(&c.out, nil)
	c.encoder = hpack.NewEncoder(&c.block)
	c.encoder.SetMaxDynamicTableSizeLimit(0) // the server need remember nothing
	err := c.write(func() error {
		c.out.WriteString(http2.ClientPreface)
		return errors.Join(
			c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: o.WindowBytes},
				http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: o.MaxHeaderBytes},
				http2.Setting{ID: http2.SettingEnablePush, Val: 0}),
			c.framer.WriteWindowUpdate(0, o.WindowBytes-firstWindow))
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("speaking gRPC: %w", err)
	}
	go c.read() // ends with the connection
	return c, nil
}

// Close ends the connection and all calls on it.
func (c *Conn) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// write writes at once what f puts out. A connection that cannot be written is closed.
func (c *Conn) write(f func() error) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	err := f()
	if err == nil && c.out.Len() > 0 {
		_ = c.conn.SetWriteDeadline(time.Now().Add(takeWithin)) // it fails for one that is closed
		_, err = c.conn.Write(c.out.Bytes())
	}
	c.out.Reset()
	if c.out.Cap() > 2*frameBytes {
		c.out = bytes.Buffer{} // the framer has its address
	}
	if err != nil {
		c.conn.Close() // which ends read
	}
	return err
}

// end ends all calls, for what has ended the connection.
func (c *Conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil {
		c.over = err
	}
	for _, s := range c.calls {
		s.endLocked(err)
	}
}

// begin begins a call.
func (c *Conn) begin(ctx context.Context, method string, o options) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, status.FromContextError(err).Err()
	}
	s := &call{conn: c, ctx: ctx, codec: o.codec, changed: sync.Cond{L: &c.mu},
		window: window{most: int64(c.o.WindowBytes)}}
	c.mu.Lock()
	s.stop = context.AfterFunc(ctx, s.giveUp) // before anything is written: that may wait, too
	c.mu.Unlock()
	var refused error
	err := c.write(func() error {
		c.mu.Lock()
		if refused = cmp.Or(s.over, c.over); refused != nil {
			c.mu.Unlock()
			return nil // what else there is on the connection goes on
		}
		s.id, s.room = c.last+1+c.last%2, c.initial // odd numbers
		c.last = s.id
		c.calls[s.id] = s
		c.mu.Unlock()
		c.block.Reset()
		fields := append([][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", method},
			{":authority", "child"}, {"content-type", "application/grpc"}, {"te", "trailers"}}, c.o.Show...)
		for _, f := range fields {
			if err := c.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
				return err
			}
		}
		return c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: c.block.Bytes(),
			EndHeaders: true})
	})
	if err = cmp.Or(err, refused); err != nil {
		s.stop()
		return nil, unavailable(err)
	}
	return s, nil
}

// giveUp ends a call whose context is done, and tells the server.
func (s *call) giveUp() {
	c := s.conn
	c.mu.Lock()
	before := s.over != nil
	s.endLocked(status.FromContextError(s.ctx.Err()).Err())
	c.mu.Unlock()
	if before {
		return
	}
	// It also ends a write that has been waiting, and the connection with it.
	_ = c.conn.SetWriteDeadline(time.Now().Add(giveUp)) // it fails for one that is closed
	_ = c.write(func() error {
		if s.id == 0 { // it never began
			return nil
		}
		return c.framer.WriteRSTStream(s.id, http2.ErrCodeCancel)
	})
	_ = c.settle() // the connection has ended if one of them fails
}

// settle gives back the room that calls had which have ended with something unread.
func (c *Conn) settle() error {
	c.mu.Lock()
	all := c.window.received(0)
	c.mu.Unlock()
	if all == 0 {
		return nil
	}
	return c.write(func() error { return c.more(0, all) })
}

// unavailable returns the error of a connection as gRPC has it.
func unavailable(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(codes.Unavailable, err.Error())
}

// NewStream implements grpc.ClientConnInterface.
func (c *Conn) NewStream(ctx context.Context, _ *grpc.StreamDesc, method string, opts ...grpc.CallOption) (
	grpc.ClientStream, error) {
	o, err := optionsOf(opts)
	if err != nil {
		return nil, err
	}
	return c.begin(ctx, method, o)
}

// Invoke implements grpc.ClientConnInterface.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	o, err := optionsOf(opts)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a server that says more than its answer is not heard
	s, err := c.begin(ctx, method, o)
	if err != nil {
		return err
	}
	if err := s.SendMsg(args); err == nil {
		_ = s.CloseSend() // RecvMsg says why it fails
	}
	return s.RecvMsg(reply)
}
