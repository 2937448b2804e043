package isolation_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"

	"bulkhead/internal/collect"
)

// heard is a connection that keeps what it reads.
type heard struct {
	net.Conn
	mu   sync.Mutex
	data bytes.Buffer // guarded by mu
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.data.Write(p[:n])
	return n, err
}

// pings counts the pings, answers apart, and all frames.
func (h *heard) pings() (pings, frames int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := http2.NewFramer(nil, bytes.NewReader(h.data.Bytes()))
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return pings, frames
		}
		frames++
		if ping, is := frame.(*http2.PingFrame); is && !ping.IsAck() {
			pings++
		}
	}
}

// A handler answers batches by acks, and by no ping for each: that would cost both sides
// more than the batch does.
func TestBatchesAreNotPinged(t *testing.T) {
	t.Parallel()
	s := start(t, "--clients", "1")
	const batches = 50
	var wire *heard
	c, err := collect.Dial(t.Context(), s.Addr, grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		wire = &heard{Conn: conn}
		return wire, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Greet(collect.Hello("talker")); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= batches; seq++ {
		if err := errors.Join(c.SendBatch(seq, seq), c.AwaitAck(seq)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Goodbye(batches); err != nil {
		t.Fatal(err)
	}
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	pings, frames := wire.pings()
	if frames < batches {
		t.Fatalf("%d frames are fewer than acks", frames)
	}
	if pings > 2 {
		t.Errorf("%d of the handler's %d frames are pings", pings, frames)
	}
}
