package client

import (
	"io"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// collector is the far side of a client, over TCP: one scripted act for each
// connection, the last one for all further ones. It keeps what is durable, and
// fails the test when a message comes twice, is missing or follows the Stop.
type collector struct {
	bulkheadv1.UnimplementedCollectorServiceServer
	t       *testing.T
	address string
	limits  *bulkheadv1.Limits
	acts    []act
	server  *grpc.Server
	options []grpc.ServerOption

	mu       sync.Mutex
	sockets  []net.Conn            // guarded by mu
	hellos   []*bulkheadv1.Hello   // guarded by mu
	messages []*bulkheadv1.Message // guarded by mu; durable, in order
	goodbye  *bulkheadv1.Goodbye   // guarded by mu
	arrived  chan struct{}         // one element for every batch that was kept
}

// greetedStream is a stream and its Hello.
type greetedStream struct {
	serverStream
	hello *bulkheadv1.Hello
}

// act is what the collector does on one connection after the Hello.
type act func(c *collector, stream grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]) error

// startCollector listens on loopback until the test ends.
func startCollector(t *testing.T, acts ...act) *collector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCollector(t, listener.Addr().String(), acts...)
	c.listen(listener)
	return c
}

func newCollector(t *testing.T, address string, acts ...act) *collector {
	return &collector{
		t: t, address: address, acts: acts, arrived: make(chan struct{}, 1<<16),
		limits: &bulkheadv1.Limits{MaxFrameBytes: 1 << 20, MaxBatchMessages: 16, MaxUnackedBatches: 4},
	}
}

func (c *collector) listen(listener net.Listener) {
	c.server = grpc.NewServer(c.options...)
	bulkheadv1.RegisterCollectorServiceServer(c.server, c)
	served := make(chan struct{})
	go func() {
		defer close(served)
		c.server.Serve(socketKeeper{listener, c})
	}()
	c.t.Cleanup(func() {
		c.server.Stop()
		<-served
	})
}

// socketKeeper lets the collector cut its connections.
type socketKeeper struct {
	net.Listener
	c *collector
}

func (k socketKeeper) Accept() (net.Conn, error) {
	socket, err := k.Listener.Accept()
	if err == nil {
		k.c.mu.Lock()
		defer k.c.mu.Unlock()
		k.c.sockets = append(k.c.sockets, socket)
	}
	return socket, err
}

// cut closes every connection without a word.
func (c *collector) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, socket := range c.sockets {
		socket.Close()
	}
}

func (c *collector) Collect(stream grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	hello := first.GetHello()
	if hello.GetProtocolVersion() != 1 || len(hello.GetClientId()) != 16 || hello.GetName() == "" || hello.GetWallClockUnixNano() == 0 {
		c.t.Errorf("hello = %v", hello)
	}
	c.mu.Lock()
	n := min(len(c.hellos), len(c.acts)-1)
	c.hellos = append(c.hellos, hello)
	c.mu.Unlock()
	return c.acts[n](c, greetedStream{stream, hello})
}

// welcome answers the Hello.
func (c *collector) welcome(stream grpc.ServerStream) error {
	c.mu.Lock()
	resume, connection := uint64(len(c.messages)), uint64(len(c.hellos))
	c.mu.Unlock()
	return stream.SendMsg(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Welcome{Welcome: &bulkheadv1.Welcome{
		RunId: "run-1", SessionId: "session-1", ResumeAfter: resume, Limits: c.limits, Connection: connection,
	}}})
}

// keep makes a batch durable.
func (c *collector) keep(batch *bulkheadv1.Batch) (last uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(batch.GetMessages()); n == 0 || n > int(c.limits.GetMaxBatchMessages()) || proto.Size(batch) > int(c.limits.GetMaxFrameBytes()) {
		c.t.Errorf("a batch of %d messages and %d bytes", n, proto.Size(batch))
	}
	for _, m := range batch.GetMessages() {
		if want := uint64(len(c.messages)) + 1; m.GetSeq() != want {
			c.t.Errorf("message %d came; want %d", m.GetSeq(), want)
		}
		if c.stopped() {
			c.t.Errorf("message %d follows the Stop: %v", m.GetSeq(), m)
		}
		c.messages = append(c.messages, m)
	}
	c.arrived <- struct{}{}
	return uint64(len(c.messages))
}

// stopped says whether the Stop came; mu is held.
func (c *collector) stopped() bool {
	n := len(c.messages)
	return n > 0 && c.messages[n-1].GetStop() != nil
}

func ackFrame(seq uint64) *bulkheadv1.ServerFrame {
	return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Ack{Ack: &bulkheadv1.Ack{Seq: seq}}}
}

// receive keeps batches until Goodbye, after which the act returns. do is called
// after each batch, with its number on this connection from 1; it acks, or returns
// an error to end the connection.
func (c *collector) receive(stream grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame], do func(n int, last uint64) error) error {
	for n := 1; ; {
		frame, err := stream.Recv()
		if err == io.EOF {
			return status.Error(codes.InvalidArgument, "closed without goodbye")
		}
		if err != nil {
			return err
		}
		if goodbye := frame.GetGoodbye(); goodbye != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			if goodbye.GetLastSeq() != uint64(len(c.messages)) {
				c.t.Errorf("goodbye after %d; %d messages came", goodbye.GetLastSeq(), len(c.messages))
			}
			c.goodbye = goodbye
			return nil
		}
		if err := do(n, c.keep(frame.GetBatch())); err != nil {
			return err
		}
		n++
	}
}

// orderly takes everything and acks each batch.
func orderly(c *collector, stream grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]) error {
	if err := c.welcome(stream); err != nil {
		return err
	}
	return c.receive(stream, func(_ int, last uint64) error { return stream.Send(ackFrame(last)) })
}

// refuse answers the Hello with a status.
func refuse(code codes.Code, text string) act {
	return func(*collector, grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]) error {
		return status.Error(code, text)
	}
}

// snapshot is what came so far.
func (c *collector) snapshot() (messages []*bulkheadv1.Message, connections int, goodbye *bulkheadv1.Goodbye) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*bulkheadv1.Message(nil), c.messages...), len(c.hellos), c.goodbye
}
