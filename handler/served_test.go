package handler

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"bulkhead/internal/downlink"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// served is a client's socket that serveClient serves; the test is its supervisor.
type served struct {
	t     *testing.T
	addr  string
	relay *relay
	down  *downlink.Queue
	at    cursor
	work  *work
}

// serve listens on loopback and serves the first connection.
func serve(t *testing.T, change func(*bulkheadv1.Open)) *served {
	t.Helper()
	open := &bulkheadv1.Open{
		ConnectionId: 1, Limits: smallLimits(),
		HelloTimeoutNano: int64(patience), ClientTimeoutNano: int64(patience),
	}
	if change != nil {
		change(open)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &served{t: t, addr: l.Addr().String(), relay: newRelay(int(open.GetLimits().GetMaxUnackedBatches())),
		down: downlink.New(), work: newWork(nil)}
	done := make(chan struct{})
	go func() { // ends when the client or the listener is closed
		defer close(done)
		socket, err := l.Accept()
		if err != nil {
			return
		}
		s.relay.setEnd(serveClient(context.Background(), socket, open, s.relay, s.down, s.work))
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return s
}

// dial connects a client that ends with the test.
func (s *served) dial(opts ...grpc.DialOption) *rawclient.Client {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c, err := rawclient.Dial(ctx, s.addr, opts...)
	must(s.t, err)
	s.t.Cleanup(func() { c.Close(); cancel() })
	return c
}

// next waits for the next frame for the supervisor.
func (s *served) next() *bulkheadv1.HandlerFrame {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		if f := s.relay.next(&s.at); f != nil {
			return f
		}
		select {
		case <-s.relay.changed:
		case <-deadline.C:
			s.t.Fatal("the handler has nothing to say")
		}
	}
}

// end waits for the End; what comes before it is passed over.
func (s *served) end() *bulkheadv1.End {
	s.t.Helper()
	for {
		if e := s.next().GetEnd(); e != nil {
			return e
		}
	}
}

func (s *served) welcome(resumeAfter uint64) {
	s.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Welcome{Welcome: &bulkheadv1.Welcome{
		RunId: "run", SessionId: "s1", ResumeAfter: resumeAfter, Limits: smallLimits(),
	}}})
}

func (s *served) ack(seq uint64) {
	s.relay.ack(seq)
	s.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Ack{Ack: &bulkheadv1.Ack{Seq: seq}}})
}

func (s *served) finish(f *bulkheadv1.Finish) {
	s.down.Put(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Finish{Finish: f}})
}

// greet lets a client in.
func (s *served) greet(c *rawclient.Client, resumeAfter uint64) {
	s.t.Helper()
	s.welcome(resumeAfter)
	w, err := c.Greet(rawclient.Hello("alpha"))
	must(s.t, err)
	if w.GetResumeAfter() != resumeAfter || w.GetSessionId() != "s1" {
		s.t.Fatalf("Welcome = %v", w)
	}
	if h := s.next().GetHello(); h.GetName() != "alpha" {
		s.t.Fatalf("Hello = %v; want alpha's", h)
	}
}

// freezer is a client's connection that can fall silent without closing.
type freezer struct {
	net.Conn
	frozen atomic.Bool
}

// Write pretends to send once the connection is frozen.
func (f *freezer) Write(p []byte) (int, error) {
	if f.frozen.Load() {
		return len(p), nil
	}
	return f.Conn.Write(p)
}

// freezing makes a dial option and the function that freezes.
func freezing() (grpc.DialOption, func()) {
	var made atomic.Pointer[freezer]
	dial := func(ctx context.Context, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		f := &freezer{Conn: c}
		made.Store(f)
		return f, nil
	}
	return grpc.WithContextDialer(dial), func() { made.Load().frozen.Store(true) }
}

// raw connects without gRPC; sent is what it sends first.
func (s *served) raw(sent []byte) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	must(s.t, err)
	s.t.Cleanup(func() { c.Close() })
	go io.Copy(io.Discard, c) // ends with the connection
	_, err = c.Write(sent)
	must(s.t, err)
	return c
}

// dialOver returns a dial option by which a client uses a connection that there is.
func dialOver(c net.Conn) grpc.DialOption {
	return grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return c, nil })
}
