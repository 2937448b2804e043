// Package rawclient is a small client of the Collector protocol for tests and
// benchmarks: every frame is sent when and as the caller says, right or wrong. The
// client that users run is package client.
package rawclient

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Client is one connection with one Collect stream.
type Client struct {
	addr   atomic.Pointer[string]
	conn   *grpc.ClientConn
	cancel context.CancelFunc
	bulkheadv1.CollectorService_CollectClient
}

// Dial connects and opens the stream; nothing is sent yet. The connection ends
// with ctx.
func Dial(ctx context.Context, addr string, opts ...grpc.DialOption) (*Client, error) {
	c := &Client{}
	dial := func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			local := conn.LocalAddr().String()
			c.addr.Store(&local)
		}
		return conn, err
	}
	opts = append([]grpc.DialOption{
		grpc.WithContextDialer(dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(64 << 20)),
	}, opts...)
	conn, err := grpc.NewClient("passthrough:///"+addr, opts...)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", addr, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	stream, err := bulkheadv1.NewCollectorServiceClient(conn).Collect(ctx)
	if err != nil {
		cancel()
		conn.Close()
		return nil, fmt.Errorf("connecting to %s: %w", addr, err)
	}
	c.conn, c.cancel, c.CollectorService_CollectClient = conn, cancel, stream
	return c, nil
}

// Addr returns this side's address of the connection: the peer in the supervisor's
// words.
func (c *Client) Addr() string { return *c.addr.Load() }

// Close breaks the connection off.
func (c *Client) Close() error {
	c.cancel()
	return c.conn.Close()
}

// Hello returns a Hello of a new client.
func Hello(name string) *bulkheadv1.Hello {
	id := make([]byte, 16)
	rand.Read(id) // never fails
	return &bulkheadv1.Hello{
		ProtocolVersion: 1, ClientId: id, Name: name, Host: "localhost",
		WallClockUnixNano: time.Now().UnixNano(), ClientVersion: "test",
	}
}

// Greet sends a Hello and waits for the Welcome.
func (c *Client) Greet(h *bulkheadv1.Hello) (*bulkheadv1.Welcome, error) {
	if err := c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: h}}); err != nil {
		return nil, c.why(err)
	}
	f, err := c.Recv()
	if err != nil {
		return nil, err
	}
	if f.GetWelcome() == nil {
		return nil, fmt.Errorf("got %v; want a Welcome", f)
	}
	return f.GetWelcome(), nil
}

// SendBatch sends messages first to last.
func (c *Client) SendBatch(first, last uint64) error {
	return c.why(c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: Batch(first, last)}}))
}

// Goodbye sends a Goodbye after message last.
func (c *Client) Goodbye(last uint64) error {
	return c.why(
		c.Send(&bulkheadv1.ClientFrame{
			Frame: &bulkheadv1.ClientFrame_Goodbye{Goodbye: &bulkheadv1.Goodbye{LastSeq: last}}}))
}

// AwaitAck reads frames until everything up to seq is acknowledged.
func (c *Client) AwaitAck(seq uint64) error {
	for {
		f, err := c.Recv()
		if err != nil {
			return err
		}
		if f.GetAck().GetSeq() >= seq {
			return nil
		}
	}
}

// End reads frames until the stream ends and returns how: io.EOF in order.
func (c *Client) End() error {
	for {
		if _, err := c.Recv(); err != nil {
			return err
		}
	}
}

// why replaces the io.EOF of a Send on a broken stream by the stream's status.
func (c *Client) why(err error) error {
	if err == nil {
		return nil
	}
	return c.End()
}

// Batch holds messages first to last, each the Progress of one second of a
// consumer that wrote 64 chunks of 1 MiB.
func Batch(first, last uint64) *bulkheadv1.Batch {
	b := &bulkheadv1.Batch{Messages: make([]*bulkheadv1.Message, 0, last-first+1)}
	for seq := first; seq <= last; seq++ {
		b.Messages = append(b.Messages, Message(seq))
	}
	return b
}

// Message returns one message of a Batch.
func Message(seq uint64) *bulkheadv1.Message {
	return &bulkheadv1.Message{
		Seq: seq, TimeUnixNano: time.Now().UnixNano(),
		Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Pid: 4711},
		Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{
			IntervalNano: int64(time.Second), Bytes: 64 << 20, Chunks: 64,
			ChunkWrite: &bulkheadv1.Histogram{ValueDelta: []uint64{280_064, 512, 1024}, Count: []uint64{40, 20, 4},
				Min: 280_100, Max: 281_999, Sum: 17_950_000},
		}},
	}
}
