package scripted

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Collector is the far side of a client, over TCP: one scripted act for each
// connection, the last one for all further ones. It keeps what is durable, and
// fails the test when a message comes twice, is missing or follows the Stop.
type Collector struct {
	bulkheadv1.UnimplementedCollectorServiceServer
	T       *testing.T
	Address string
	Limits  *bulkheadv1.Limits
	Acts    []Act
	Server  *grpc.Server
	Options []grpc.ServerOption

	Mu       sync.Mutex
	sockets  []net.Conn            // guarded by mu
	Hellos   []*bulkheadv1.Hello   // guarded by mu
	Messages []*bulkheadv1.Message // guarded by mu; durable, in order
	Goodbye  *bulkheadv1.Goodbye   // guarded by mu
	Arrived  chan struct{}         // one element for every batch that was kept
}

// GreetedStream is a stream and its Hello.
type GreetedStream struct {
	ServerStream
	Hello *bulkheadv1.Hello
}

// Act is what the collector does on one connection after the Hello.
type Act func(c *Collector, stream grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]) error

// Start listens on loopback until the test ends.
func Start(t *testing.T, acts ...Act) *Collector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := New(t, listener.Addr().String(), acts...)
	c.Listen(listener)
	return c
}

func New(t *testing.T, address string, acts ...Act) *Collector {
	return &Collector{
		T: t, Address: address, Acts: acts, Arrived: make(chan struct{}, 1<<16),
		Limits: &bulkheadv1.Limits{MaxFrameBytes: 1 << 20, MaxBatchMessages: 16, MaxUnackedBatches: 4},
	}
}

func (c *Collector) Listen(listener net.Listener) {
	c.Server = grpc.NewServer(c.Options...)
	bulkheadv1.RegisterCollectorServiceServer(c.Server, c)
	served := make(chan struct{})
	go func() {
		defer close(served)
		c.Server.Serve(socketKeeper{listener, c})
	}()
	c.T.Cleanup(func() {
		c.Server.Stop()
		<-served
	})
}

// socketKeeper lets the collector cut its connections.
type socketKeeper struct {
	net.Listener
	c *Collector
}

func (k socketKeeper) Accept() (net.Conn, error) {
	socket, err := k.Listener.Accept()
	if err == nil {
		k.c.Mu.Lock()
		defer k.c.Mu.Unlock()
		k.c.sockets = append(k.c.sockets, socket)
	}
	return socket, err
}

// cut closes every connection without a word.
func (c *Collector) cut() {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	for _, socket := range c.sockets {
		socket.Close()
	}
}

func (c *Collector) Collect(stream grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	hello := first.GetHello()
	if hello.GetProtocolVersion() != 1 || len(hello.GetClientId()) != 16 || hello.GetName() == "" ||
		hello.GetWallClockUnixNano() == 0 {
		c.T.Errorf("hello = %v", hello)
	}
	c.Mu.Lock()
	n := min(len(c.Hellos), len(c.Acts)-1)
	c.Hellos = append(c.Hellos, hello)
	c.Mu.Unlock()
	return c.Acts[n](c, GreetedStream{stream, hello})
}

// Welcome answers the Hello.
func (c *Collector) Welcome(stream grpc.ServerStream) error {
	c.Mu.Lock()
	resume, connection := uint64(len(c.Messages)), uint64(len(c.Hellos))
	c.Mu.Unlock()
	return stream.SendMsg(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Welcome{Welcome: &bulkheadv1.Welcome{
		RunId: "run-1", SessionId: "session-1", ResumeAfter: resume, Limits: c.Limits, Connection: connection,
	}}})
}

// keep makes a batch durable.
func (c *Collector) keep(batch *bulkheadv1.Batch) (last uint64) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	if n := len(batch.GetMessages()); n == 0 || n > int(c.Limits.GetMaxBatchMessages()) ||
		proto.Size(batch) > int(c.Limits.GetMaxFrameBytes()) {
		c.T.Errorf("a batch of %d messages and %d bytes", n, proto.Size(batch))
	}
	for _, m := range batch.GetMessages() {
		if want := uint64(len(c.Messages)) + 1; m.GetSeq() != want {
			c.T.Errorf("message %d came; want %d", m.GetSeq(), want)
		}
		if c.stopped() {
			c.T.Errorf("message %d follows the Stop: %v", m.GetSeq(), m)
		}
		c.Messages = append(c.Messages, m)
	}
	c.Arrived <- struct{}{}
	return uint64(len(c.Messages))
}

// stopped reports whether the Stop came; mu is held.
func (c *Collector) stopped() bool {
	n := len(c.Messages)
	return n > 0 && c.Messages[n-1].GetStop() != nil
}

func AckFrame(seq uint64) *bulkheadv1.ServerFrame {
	return &bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Ack{Ack: &bulkheadv1.Ack{Seq: seq}}}
}

// Receive keeps batches until Goodbye, after which the act returns. do is called
// after each batch, with its number on this connection from 1; it acks, or returns
// an error to end the connection.
func (c *Collector) Receive(stream grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame],
	do func(n int, last uint64) error) error {
	for n := 1; ; {
		frame, err := stream.Recv()
		if err == io.EOF {
			return status.Error(codes.InvalidArgument, "closed without goodbye")
		}
		if err != nil {
			return err
		}
		if goodbye := frame.GetGoodbye(); goodbye != nil {
			c.Mu.Lock()
			defer c.Mu.Unlock()
			if goodbye.GetLastSeq() != uint64(len(c.Messages)) {
				c.T.Errorf("goodbye after %d; %d messages came", goodbye.GetLastSeq(), len(c.Messages))
			}
			c.Goodbye = goodbye
			return nil
		}
		if err := do(n, c.keep(frame.GetBatch())); err != nil {
			return err
		}
		n++
	}
}

// Orderly takes everything and acks each batch.
func Orderly(c *Collector, stream grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]) error {
	if err := c.Welcome(stream); err != nil {
		return err
	}
	return c.Receive(stream, func(_ int, last uint64) error { return stream.Send(AckFrame(last)) })
}

// Refuse answers the Hello with a status.
func Refuse(code codes.Code, text string) Act {
	return func(*Collector, grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]) error {
		return status.Error(code, text)
	}
}

// Snapshot returns what came so far.
func (c *Collector) Snapshot() (messages []*bulkheadv1.Message, connections int, goodbye *bulkheadv1.Goodbye) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	return append([]*bulkheadv1.Message(nil), c.Messages...), len(c.Hellos), c.Goodbye
}

const PatienceInTests = 30 * time.Second

type ServerStream = grpc.BidiStreamingServer[bulkheadv1.ClientFrame, bulkheadv1.ServerFrame]

// LogLines keeps what was logged.
type LogLines struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (l *LogLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *LogLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

// Await waits until one of the texts was logged.
func (l *LogLines) Await(t *testing.T, texts ...string) {
	t.Helper()
	// polls for the event
	for deadline := time.Now().Add(PatienceInTests); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, text := range texts {
			if strings.Contains(l.String(), text) {
				return
			}
		}
	}
	t.Fatalf("waited %s for one of %q in the log:\n%s", PatienceInTests, texts, l)
}

func Wait[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(PatienceInTests):
		t.Fatalf("waited %s for %s", PatienceInTests, what)
		panic("not reached")
	}
}

// BreakAfter loses the connection after n batches, with or without acks before.
func BreakAfter(n int, acks bool, how func(*Collector) error) Act {
	return func(c *Collector, stream ServerStream) error {
		if err := c.Welcome(stream); err != nil {
			return err
		}
		return c.Receive(stream, func(batch int, last uint64) error {
			if batch >= n {
				return how(c)
			}
			if acks {
				return stream.Send(AckFrame(last))
			}
			return nil
		})
	}
}

func Unavailable(*Collector) error { return status.Error(codes.Unavailable, "handler died") }

func Cut(c *Collector) error { c.cut(); return nil }

// AckLate acks only when the window is full, and then each batch.
func AckLate(c *Collector, stream ServerStream) error {
	if err := c.Welcome(stream); err != nil {
		return err
	}
	return c.Receive(stream, func(n int, last uint64) error {
		if n < int(c.Limits.GetMaxUnackedBatches()) {
			return nil
		}
		return stream.Send(AckFrame(last))
	})
}

// ClosedAddress returns an address where nobody listens.
func ClosedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TextLog logs to lines.
func TextLog(lines *LogLines) *slog.Logger { return slog.New(slog.NewTextHandler(lines, nil)) }
