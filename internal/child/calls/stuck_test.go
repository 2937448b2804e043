package calls

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/health/grpc_health_v1"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// stuck returns a connection on which a Send waits in its write, of a call that the server has ended
// since; sent takes what becomes of it. Nobody reads any more.
func stuck(t *testing.T) (c *Conn, sent <-chan error) {
	t.Helper()
	near, far := net.Pipe() // without a buffer
	t.Cleanup(func() { far.Close() })
	heard := make(chan error, 1)
	go func() { heard <- greeting(far) }() // ends with what a client says first
	c, err := New(near, Options{MaxMessageBytes: most, MaxHeaderBytes: 16 << 10, WindowBytes: windowBytes})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	s, err := bulkheadv1.NewHandlerServiceClient(c).Serve(ctx)
	must(t, err)
	must(t, <-heard)
	answer := make(chan error, 1)
	go func() { answer <- untilAck(far) }() // ends with the client's acknowledgement of the settings
	said := newScript()
	said.begin()
	_, err = far.Write(said.Bytes())
	must(t, err)
	must(t, <-answer)
	did := make(chan error, 1)
	go func() { did <- s.Send(ack(1)) }() // ends with the connection, or takeWithin
	_, err = io.ReadFull(far, make([]byte, 1))
	must(t, err)
	end := newScript()
	must(t, end.WriteRSTStream(1, http2.ErrCodeCancel))
	_, err = far.Write(end.Bytes())
	must(t, err)
	if _, err := s.Recv(); err == nil {
		t.Fatal("a call that was reset goes on")
	}
	cancel()
	return c, did
}

// greeting reads what a client says before a server has said anything: its preface, settings and window,
// and the headers of its call.
func greeting(conn net.Conn) error {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return err
	}
	return untilFrame(conn, func(f http2.Frame) bool { return f.Header().Type == http2.FrameHeaders })
}

func untilAck(conn net.Conn) error {
	return untilFrame(conn, func(f http2.Frame) bool {
		s, is := f.(*http2.SettingsFrame)
		return is && s.IsAck()
	})
}

func untilFrame(conn net.Conn, is func(http2.Frame) bool) error {
	framer := http2.NewFramer(io.Discard, conn)
	for {
		f, err := framer.ReadFrame()
		if err != nil || is(f) {
			return err
		}
	}
}

// TestACallThatCannotBeginEndsInTime: a call's deadline holds for its begin, too, while another's write
// keeps the connection, and frees that write.
func TestACallThatCannotBeginEndsInTime(t *testing.T) {
	c, sent := stuck(t)
	checked := make(chan error, 1)
	go func() { // ends with its context
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_, err := grpc_health_v1.NewHealthClient(c).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		checked <- err
	}()
	ends(t, "a call on a connection that takes nothing", checked)
	ends(t, "a Send of a call that was over", sent)
}

// TestAWriteOfACallThatIsOverEnds: nobody gives a call up that is over, and its write ends all the same.
func TestAWriteOfACallThatIsOverEnds(t *testing.T) {
	t.Parallel()
	_, sent := stuck(t)
	ends(t, "a Send of a call that was over", sent)
}

func ends(t *testing.T, what string, with <-chan error) {
	t.Helper()
	select {
	case err := <-with:
		if err == nil {
			t.Errorf("%s succeeded", what)
		}
	case <-time.After(patience):
		t.Fatalf("%s has not ended in %s", what, patience)
	}
}
