package handler

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/fdpass"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// connectionID is the number under which tests hand a socket over.
const connectionID = 7

// offered is a handler that offers its service on a unix socket, and a client that
// connects to it.
type offered struct {
	bulkheadv1.UnimplementedHandlerServiceServer
	t       *testing.T
	handler *handler
	service bulkheadv1.HandlerServiceClient
	left    chan struct{}     // receives when a Serve call has returned
	socket  net.Conn          // the client's, as accepted
	dialled chan struct{}     // closed when the client's stream is open, or is not going to be
	client  *rawclient.Client // set when dialled is closed
}

// Serve calls the handler's, observed.
func (o *offered) Serve(stream bulkheadv1.HandlerService_ServeServer) error {
	defer func() { o.left <- struct{}{} }()
	return o.handler.Serve(stream)
}

// offer offers a handler that has no socket yet.
func offer(t *testing.T) *offered {
	t.Helper()
	o := &offered{t: t, handler: newHandler(slog.New(slog.DiscardHandler), newWork(nil)), left: make(chan struct{}, 16),
		dialled: make(chan struct{})}
	path := filepath.Join(t.TempDir(), "handler.sock")
	l, err := net.Listen("unix", path)
	must(t, err)
	srv := grpc.NewServer()
	bulkheadv1.RegisterHandlerServiceServer(srv, o)
	served := make(chan struct{})
	go func() { // ends when srv is stopped
		defer close(served)
		_ = srv.Serve(l)
	}()
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	o.service = bulkheadv1.NewHandlerServiceClient(conn)
	t.Cleanup(func() { conn.Close(); srv.Stop(); <-served })
	o.dial()
	return o
}

// dial connects the client.
func (o *offered) dial() {
	o.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(o.t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	go func() { // ends when a handler serves the client, or with ctx
		defer close(o.dialled)
		if c, err := rawclient.Dial(ctx, l.Addr().String()); err == nil {
			o.client = c
		}
	}()
	o.socket, err = l.Accept()
	must(o.t, err)
	o.t.Cleanup(func() {
		o.socket.Close()
		o.handler.close()
		cancel()
		<-o.dialled
		if o.client != nil {
			o.client.Close()
		}
	})
}

// greet lets the client in through s.
func (o *offered) greet(s *supervisor, hello *bulkheadv1.Hello) {
	o.t.Helper()
	s.send(welcomeFrame(0))
	<-o.dialled
	if o.client == nil {
		o.t.Fatal("the client has no stream")
	}
	_, err := o.client.Greet(hello)
	must(o.t, err)
	s.wantHello(hello)
}

// supervisor is one Serve call.
type supervisor struct {
	bulkheadv1.HandlerService_ServeClient
	t      *testing.T
	offer  *offered
	cancel context.CancelFunc
}

// leave breaks the call off and waits until the handler has noticed.
func (s *supervisor) leave() {
	s.t.Helper()
	s.cancel()
	s.gone()
}

// gone waits until the handler has let go of the call.
func (s *supervisor) gone() {
	s.t.Helper()
	select {
	case <-s.offer.left:
	case <-time.After(patience):
		s.t.Fatal("the handler does not let go of its supervisor")
	}
}

// open calls Serve.
func (o *offered) open(id, resumeAfter uint64) *supervisor {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	o.t.Cleanup(cancel)
	stream, err := o.service.Serve(ctx)
	must(o.t, err)
	s := &supervisor{stream, o.t, o, cancel}
	s.send(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Open{Open: &bulkheadv1.Open{
		ConnectionId: id, Limits: smallLimits(), ResumeAfter: resumeAfter,
		HelloTimeoutNano: int64(patience), ClientTimeoutNano: int64(patience),
	}}})
	return s
}

func (s *supervisor) send(f *bulkheadv1.SupervisorFrame) {
	s.t.Helper()
	must(s.t, s.Send(f))
}

func (s *supervisor) next() *bulkheadv1.HandlerFrame {
	s.t.Helper()
	f, err := s.Recv()
	must(s.t, err)
	return f
}

// wantHello takes the next frame, which must be the client's Hello.
func (s *supervisor) wantHello(want *bulkheadv1.Hello) {
	s.t.Helper()
	if f := s.next(); !proto.Equal(f.GetHello(), want) {
		s.t.Fatalf("got %v; want the client's Hello", f)
	}
}

// wantGoodbye takes the next frame, which must be a Goodbye.
func (s *supervisor) wantGoodbye(last uint64) {
	s.t.Helper()
	if f := s.next(); f.GetGoodbye().GetLastSeq() != last {
		s.t.Fatalf("got %v; want a Goodbye after %d", f, last)
	}
}

// wantBatch takes messages first to last, which must be next, in one batch or several. What was
// sent behind last before this call may be joined with it, and fails.
func (s *supervisor) wantBatch(first, last uint64) {
	s.t.Helper()
	for next := first; next <= last; {
		f := s.next()
		if b := f.GetBatch(); b.GetFirstSeq() != next || b.GetLastSeq() > last {
			s.t.Fatalf("got %v; want messages %d to %d", f, next, last)
		}
		next = f.GetBatch().GetLastSeq() + 1
	}
}

// wantStatus takes the end of the call, which must be a refusal.
func (s *supervisor) wantStatus(code codes.Code, text string) {
	s.t.Helper()
	_, err := s.Recv()
	if st := status.Convert(err); st.Code() != code || !strings.Contains(st.Message(), text) {
		s.t.Fatalf("Serve ended with %v; want %v with %q", err, code, text)
	}
}

// ping asks for a sign of life, which must be the next frame.
func (s *supervisor) ping(nonce uint64) *bulkheadv1.Pong {
	s.t.Helper()
	s.send(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Ping{Ping: &bulkheadv1.Ping{Nonce: nonce}}})
	f := s.next()
	if f.GetPong() == nil || f.GetPong().GetNonce() != nonce {
		s.t.Fatalf("got %v; want the Pong %d", f, nonce)
	}
	return f.GetPong()
}

func ackFrame(seq uint64) *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Ack{Ack: &bulkheadv1.Ack{Seq: seq}}}
}

func welcomeFrame(resumeAfter uint64) *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{
		Frame: &bulkheadv1.SupervisorFrame_Welcome{
			Welcome: &bulkheadv1.Welcome{ResumeAfter: resumeAfter, Limits: smallLimits()}}}
}

func finishFrame() *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Finish{Finish: &bulkheadv1.Finish{}}}
}

// TestASupervisorTakesOver breaks the supervisor's stream in the middle of a
// session. The next call is told the Hello again and every batch that was not
// acknowledged; the client notices nothing.
func TestASupervisorTakesOver(t *testing.T) {
	o := offer(t)
	o.handler.take(fdpass.Handover{ID: connectionID}, o.socket)
	hello := rawclient.Hello("alpha")
	first := o.open(connectionID, 0)
	o.greet(first, hello)
	c := o.client
	for seq := uint64(1); seq <= 5; seq += 2 {
		must(t, c.SendBatch(seq, seq+1))
		first.wantBatch(seq, seq+1)
	}
	first.send(ackFrame(2))
	must(t, c.AwaitAck(2))
	first.leave()

	second := o.open(connectionID, 4) // 3 and 4 became durable, but the Ack was lost
	second.wantHello(hello)
	second.wantBatch(5, 6)
	second.send(welcomeFrame(4))
	second.send(ackFrame(6))
	must(t, c.AwaitAck(6))
	must(t, c.SendBatch(7, 7))
	second.wantBatch(7, 7)
	must(t, c.Goodbye(7))
	second.wantGoodbye(7)
	second.leave()

	third := o.open(connectionID, 7)
	third.wantHello(hello)
	third.wantGoodbye(7)
	third.send(finishFrame())
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Errorf("the client's stream ended with %v; want io.EOF", err)
	}
	e := third.next().GetEnd()
	if e.GetClass() != finished || e.GetMessages() != 7 {
		t.Errorf("End = %v; want finished after 7 messages", e)
	}
	if _, err := third.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("Serve ended with %v; want io.EOF", err)
	}
	third.gone()

	fourth := o.open(connectionID, 7) // the end is told to whoever asks later
	fourth.wantHello(hello)
	fourth.wantGoodbye(7)
	if again := fourth.next().GetEnd(); !proto.Equal(again, e) {
		t.Errorf("End = %v; want the same again: %v", again, e)
	}
}

// A client continues while nobody serves the handler, and what it says is kept.
func TestAClientGoesOnBetweenSupervisors(t *testing.T) {
	o := offer(t)
	o.handler.take(fdpass.Handover{ID: connectionID}, o.socket)
	hello := rawclient.Hello("alpha")
	first := o.open(connectionID, 0)
	o.greet(first, hello)
	must(t, first.CloseSend()) // a supervisor that ends the stream in order
	first.wantStatus(codes.Unknown, "the supervisor ended the stream")
	first.gone()
	must(t, o.client.SendBatch(1, 1))
	must(t, o.client.Goodbye(1))
	second := o.open(connectionID, 0)
	second.wantHello(hello)
	second.wantBatch(1, 1)
	second.wantGoodbye(1)
}

func TestServeRefuses(t *testing.T) {
	o := offer(t)
	o.handler.take(fdpass.Handover{ID: connectionID}, o.socket)
	wrong := o.open(connectionID+1, 0)
	wrong.wantStatus(codes.InvalidArgument, "connection 8 was asked for; this handler has 7")
	wrong.gone()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := o.service.Serve(ctx)
	must(t, err)
	silent := &supervisor{stream, t, o, cancel}
	silent.send(ackFrame(1))
	silent.wantStatus(codes.InvalidArgument, "the first frame must be Open")
	silent.gone()

	hello := rawclient.Hello("alpha")
	right := o.open(connectionID, 0)
	o.greet(right, hello)
	second := o.open(connectionID, 0)
	second.wantStatus(codes.FailedPrecondition, "another supervisor is being served")
	second.gone()
	must(t, o.client.SendBatch(1, 1)) // the right one is unharmed
	right.wantBatch(1, 1)
}

// Serve may be called before the socket has come, and given up again.
func TestServeWaitsForTheSocket(t *testing.T) {
	o := offer(t)
	o.open(connectionID, 0).leave()
	early := o.open(connectionID, 0)
	o.handler.take(fdpass.Handover{ID: connectionID}, o.socket)
	o.greet(early, rawclient.Hello("alpha"))
}

// A call that was made before there was a connection serves the one that comes; a later call must
// name it.
func TestServeAheadTakesTheConnectionThatComes(t *testing.T) {
	o := offer(t)
	ahead := o.open(0, 0)
	if _, err := ahead.Header(); err != nil {
		t.Fatalf("a call that waits for a socket: %v; want that it says so", err)
	}
	o.handler.take(fdpass.Handover{ID: connectionID}, o.socket)
	hello := rawclient.Hello("alpha")
	o.greet(ahead, hello)
	ahead.leave()
	wrong := o.open(connectionID+1, 0)
	wrong.wantStatus(codes.InvalidArgument, "connection 8 was asked for; this handler has 7")
	wrong.gone()
	o.open(connectionID, 0).wantHello(hello)
}

// The time that comes with a socket goes before that of the call that waited for it.
func TestPatienceComesWithTheSocket(t *testing.T) {
	o := offer(t)
	ahead := o.open(0, 0)
	o.handler.take(fdpass.Handover{ID: connectionID, Patience: time.Millisecond}, o.socket)
	e := ahead.next().GetEnd()
	if e.GetClass() != bulkheadv1.EndClass_END_CLASS_TIMEOUT {
		t.Errorf("End = %v; want a client that was too slow", e)
	}
}

func TestASecondSocketIsRefused(t *testing.T) {
	o := offer(t)
	o.handler.take(fdpass.Handover{ID: connectionID}, o.socket)
	client, server := socketPair(t)
	o.handler.take(fdpass.Handover{ID: connectionID + 1}, server)
	must(t, client.SetReadDeadline(time.Now().Add(patience)))
	if n, err := client.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes, %v from the second socket; want io.EOF", n, err)
	}
	o.greet(o.open(connectionID, 0), rawclient.Hello("alpha")) // the first is unharmed
}
