package isolation_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
)

// A handler answers batches by acks, and by no ping for each: that would cost both sides
// more than the batch does.
func TestBatchesAreNotPinged(t *testing.T) {
	t.Parallel()
	s := start(t, "--clients", "1")
	const batches = 50
	var wire *harness.Overheard
	c, err := rawclient.Dial(t.Context(), s.Addr,
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			wire = &harness.Overheard{Conn: conn}
			return wire, err
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Greet(rawclient.Hello("talker")); err != nil {
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
	pings, data := wire.Frames()
	if data < batches {
		t.Fatalf("%d frames of data for %d acks", data, batches)
	}
	if pings > 2 {
		t.Errorf("%d pings beside %d frames of data", pings, data)
	}
}
