package calls

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	patience    = 20 * time.Second
	windowBytes = 1 << 20
	most        = 3 << 20
)

// echo answers each Ack by a Batch of as many bytes, until it is told to end.
type echo struct {
	bulkheadv1.UnimplementedHandlerServiceServer
	grpc_health_v1.UnimplementedHealthServer
	ended chan error // how its last call has ended, as it sees it
}

func (e *echo) Serve(stream bulkheadv1.HandlerService_ServeServer) (err error) {
	defer func() { e.ended <- err }()
	md, _ := metadata.FromIncomingContext(stream.Context())
	if err := stream.SendHeader(metadata.MD{"said": append(md.Get("shown"), "two", "")}); err != nil {
		return err
	}
	for {
		f, err := stream.Recv()
		if err != nil {
			return err
		}
		if end := f.GetFinish(); end != nil {
			return status.Error(codes.Code(end.GetCode()), end.GetText())
		}
		if err := stream.Send(frameOf(f.GetAck().GetSeq())); err != nil {
			return err
		}
	}
}

func (e *echo) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func frameOf(n uint64) *bulkheadv1.HandlerFrame {
	return &bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Batch{Batch: &bulkheadv1.SealedBatch{
		Batch: make([]byte, n)}}}
}

func ack(n uint64) *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Ack{Ack: &bulkheadv1.Ack{Seq: n}}}
}

func finish(code codes.Code, text string) *bulkheadv1.SupervisorFrame {
	return &bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Finish{Finish: &bulkheadv1.Finish{
		Code: uint32(code), Text: text}}}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dialled returns a connection to what a server of gRPC's serves.
func dialled(t *testing.T) (*Conn, *echo) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	must(t, err)
	e := &echo{ended: make(chan error, 16)}
	srv := grpc.NewServer(grpc.MaxRecvMsgSize(2*most), grpc.MaxSendMsgSize(2*most))
	bulkheadv1.RegisterHandlerServiceServer(srv, e)
	grpc_health_v1.RegisterHealthServer(srv, e)
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(l) }() // says only that it was stopped
	conn, err := net.Dial("unix", path)
	must(t, err)
	c, err := New(conn, Options{MaxMessageBytes: most, MaxHeaderBytes: 16 << 10, WindowBytes: windowBytes,
		Show: [][2]string{{"shown", "one"}}})
	must(t, err)
	t.Cleanup(func() {
		c.Close()
		srv.Stop()
		<-served
	})
	return c, e
}

func opened(t *testing.T, c *Conn) (bulkheadv1.HandlerService_ServeClient, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s, err := bulkheadv1.NewHandlerServiceClient(c).Serve(ctx)
	must(t, err)
	return s, cancel
}

// A call goes both ways, with messages of any size up to the limit, more of them than a window has
// room for, and other calls beside it.
func TestCalls(t *testing.T) {
	c, e := dialled(t)
	s, _ := opened(t, c)
	md, err := s.Header()
	if got := strings.Join(md.Get("said"), ","); err != nil || got != "one,two," {
		t.Errorf("the headers have %q, %v; want what was shown, and the rest", got, err)
	}
	for _, n := range []uint64{0, 1, frameBytes, windowBytes, most - 100, 3, windowBytes + 7} {
		must(t, s.Send(ack(n)))
		f, err := s.Recv()
		if must(t, err); uint64(len(f.GetBatch().GetBatch())) != n {
			t.Errorf("%d bytes came; want %d", len(f.GetBatch().GetBatch()), n)
		}
		answer, err := grpc_health_v1.NewHealthClient(c).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if must(t, err); answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("beside it: %v", answer)
		}
	}
	const many = 400 // of 64 KiB: 25 windows
	sent := make(chan error, 1)
	go func() { // ends when all have been echoed, or with the call
		for range many {
			if err := s.Send(ack(64 << 10)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for range many {
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	must(t, <-sent)
	must(t, s.Send(finish(codes.DataLoss, "50 % of it – gone")))
	_, err = s.Recv()
	if status.Code(err) != codes.DataLoss || status.Convert(err).Message() != "50 % of it – gone" {
		t.Errorf("it ended with %v", err)
	}
	<-e.ended
	s, _ = opened(t, c)
	must(t, s.Send(finish(codes.OK, "")))
	if _, err = s.Recv(); err != io.EOF {
		t.Errorf("a call that is over in order ended with %v; want io.EOF", err)
	}
	if err := s.Send(ack(1)); err != io.EOF {
		t.Errorf("Send behind its end: %v; want io.EOF", err)
	}
	<-e.ended
}

// Who receives nothing holds the server up, and no more than a window is there for it.
func TestWhatIsNotReceivedIsBounded(t *testing.T) {
	c, _ := dialled(t)
	s, cancel := opened(t, c)
	const each = 16 << 10
	go func() { // ends with the call
		for s.Send(ack(each)) == nil {
		}
	}()
	full := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.window.used > windowBytes {
			t.Errorf("%d bytes are there; want at most %d", c.window.used, windowBytes)
		}
		return c.window.used > windowBytes-2*each
	}
	await := func() {
		for began := time.Now(); !full() && time.Since(began) < patience; time.Sleep(time.Millisecond) {
		}
	}
	await()
	for range 200 {
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	await()
	cancel()
	// What nobody will receive takes no room from other calls.
	other, _ := opened(t, c)
	for range 20 {
		must(t, other.Send(ack(windowBytes/4)))
		_, err := other.Recv()
		must(t, err)
	}
}

// A call ends with its context, on both sides, and the connection serves others.
func TestACallEndsWithItsContext(t *testing.T) {
	c, e := dialled(t)
	s, cancel := opened(t, c)
	must(t, s.Send(ack(1)))
	_, err := s.Recv()
	must(t, err)
	cancel()
	if _, err := s.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("Recv: %v; want Canceled", err)
	}
	if err := <-e.ended; status.Code(err) != codes.Canceled {
		t.Errorf("the server heard %v; want Canceled", err)
	}
	s, _ = opened(t, c)
	must(t, s.Send(ack(1)))
	_, err = s.Recv()
	must(t, err)
	over, stop := context.WithCancel(t.Context())
	stop()
	if _, err := bulkheadv1.NewHandlerServiceClient(c).Serve(over); status.Code(err) != codes.Canceled {
		t.Errorf("a call whose context is over: %v; want Canceled", err)
	}
}

// A server that reads nothing holds a sender up no longer than until its call is given up, and
// Close waits for nobody.
func TestAServerThatReadsNothing(t *testing.T) {
	near, far := pair(t)
	defer far.Close()
	c, err := New(near, Options{MaxMessageBytes: most, MaxHeaderBytes: 16 << 10, WindowBytes: windowBytes})
	must(t, err)
	defer c.Close()
	s, cancel := opened(t, c)
	roomy := newScript()
	must(t, errors.Join(roomy.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}),
		roomy.WriteWindowUpdate(0, 1<<30)))
	_, err = far.Write(roomy.Bytes())
	must(t, err)
	sent := make(chan error, 1)
	go func() { // fills the socket, and so cannot end before the call is given up
		for {
			if err := s.Send(finish(codes.OK, strings.Repeat("x", most-100))); err != nil {
				sent <- err
				return
			}
		}
	}()
	for stuck, began := 0, time.Now(); stuck < 20 && time.Since(began) < patience; time.Sleep(10 * time.Millisecond) {
		if stuck++; c.writing.TryLock() {
			c.writing.Unlock()
			stuck = 0 // it was not at it for so long
		}
	}
	cancel()
	if err := <-sent; err != io.EOF {
		t.Errorf("Send: %v; want io.EOF", err)
	}
	if _, err := s.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("Recv: %v; want Canceled", err)
	}
}

// All calls end with the connection.
func TestCallsEndWithTheConnection(t *testing.T) {
	c, _ := dialled(t)
	s, _ := opened(t, c)
	must(t, s.Send(ack(1)))
	_, err := s.Recv()
	must(t, err)
	c.conn.(*net.UnixConn).CloseRead()
	if _, err := s.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("Recv: %v; want Unavailable", err)
	}
	if _, err := bulkheadv1.NewHandlerServiceClient(c).Serve(t.Context()); status.Code(err) != codes.Unavailable {
		t.Errorf("a further call: %v; want Unavailable", err)
	}
	<-c.done
}

// Options that are not known are refused, and not passed over.
func TestUnknownOptions(t *testing.T) {
	c, _ := dialled(t)
	_, err := bulkheadv1.NewHandlerServiceClient(c).Serve(t.Context(), grpc.UseCompressor("gzip"))
	if !errors.Is(err, errOption) {
		t.Errorf("%v; want errOption", err)
	}
}

func pair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	must(t, err)
	defer l.Close()
	near, err = net.Dial("unix", l.Addr().String())
	must(t, err)
	far, err = l.Accept()
	must(t, err)
	return near, far
}

// A message that is being looked at stays as it is whatever comes meanwhile, and nothing of what comes
// is lost.
func TestInbox(t *testing.T) {
	var in inbox
	large := frameBytes / 3
	one, two := append(message(uint64(large)), message(2)...), message(uint64(large))
	in.add(message(1))
	for range 50 {
		in.add(one)
		if _, err := in.message(most); err != nil {
			t.Fatal(err)
		}
		in.take(len(message(1)))
		lent, err := in.message(most)
		was := bytes.Clone(lent)
		in.add(two)
		in.add(two)
		if err != nil || !bytes.Equal(lent, was) || len(lent) != len(message(uint64(large)))-prefixBytes {
			t.Fatalf("a message of %d bytes was changed by what came behind it; %v", len(lent), err)
		}
		in.take(len(lent) + prefixBytes)
		for _, want := range [][]byte{message(2), two, two} {
			got, err := in.message(most)
			if err != nil || !bytes.Equal(got, want[prefixBytes:]) {
				t.Fatalf("%d bytes, %v; want %d", len(got), err, len(want)-prefixBytes)
			}
			in.take(len(want))
		}
		if in.some() {
			t.Fatal("something is left")
		}
		in.add(message(1))
	}
}
