package door

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/testing/rawclient"
)

const farewellText = "too many connections have not said Hello; retry after 2s"

var refused = &Refusal{"too many connections have not said Hello", 2 * time.Second}

// door refuses every connection until the end of the test.
func door(t *testing.T, refuse func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			refuse(c.(*net.TCPConn))
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// A real gRPC client is told why, and when to try again.
func TestARefusedGRPCClientIsToldWhy(t *testing.T) {
	t.Parallel()
	f := NewFarewell()
	addr := door(t, func(c *net.TCPConn) { f.Refuse(t.Context(), c, refused) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := rawclient.Dial(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Greet(rawclient.Hello("alpha"))
	st := status.Convert(err)
	if st.Code() != codes.Unavailable || st.Message() != farewellText {
		t.Errorf("the client got %v; want UNAVAILABLE with the text", err)
	}
	if len(st.Details()) != 1 ||
		st.Details()[0].(*errdetails.RetryInfo).GetRetryDelay().AsDuration() != refused.RetryAfter {
		t.Errorf("the client got the details %v; want to come again after %s", st.Details(), refused.RetryAfter)
	}
	c.Close()
	f.Wait()
}

// readRefusal reads the whole of what a client gets that is refused before it opens a
// stream, at once or with time.
func readRefusal(t *testing.T, c net.Conn, atOnce bool) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("after %d bytes: %v", len(got), err)
	}
	fr := http2.NewFramer(nil, bytes.NewReader(got))
	if !atOnce {
		first, err := fr.ReadFrame()
		if s, ok := first.(*http2.SettingsFrame); err != nil || !ok || s.IsAck() || s.NumSettings() != 0 {
			t.Errorf("the first frame is %v, %v; want empty SETTINGS", first, err)
		}
	}
	second, err := fr.ReadFrame()
	if g, ok := second.(*http2.GoAwayFrame); err != nil || !ok || g.LastStreamID != 1 || g.ErrCode != http2.ErrCodeNo ||
		string(g.DebugData()) != farewellText {
		t.Errorf("the last frame is %v, %v; want GOAWAY with the text", second, err)
	}
	if third, err := fr.ReadFrame(); !errors.Is(err, io.EOF) {
		t.Errorf("a further frame: %v, %v", third, err)
	}
}

// Refusals that nobody takes in are bounded; those beyond still get the frames.
func TestFarewellsAreBounded(t *testing.T) {
	t.Parallel()
	f := NewFarewell()
	begun := make(chan struct{}, 1)
	addr := door(t, func(c *net.TCPConn) {
		f.Refuse(t.Context(), c, refused)
		begun <- struct{}{}
	})
	dial := func() net.Conn {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		<-begun
		return c
	}
	begin := time.Now()
	var slow []net.Conn
	for range maxFarewells {
		slow = append(slow, dial())
	}
	if n := len(f.slots); n != maxFarewells && time.Since(begin) < farewellTimeout/2 { // on time
		t.Errorf("%d farewells are under way; want %d", n, maxFarewells)
	}
	readRefusal(t, dial(), true)
	for _, c := range slow[:3] {
		readRefusal(t, c, false)
		c.Close()
	}
	f.Wait()
	if n := len(f.slots); n != 0 {
		t.Errorf("%d places are not given back", n)
	}
}

// A refusal reads nothing of what a client sends, ends when the client does not, and
// at once when its context does.
func TestAFarewellEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(c net.Conn, cancel func()){
		"client that stays":           func(net.Conn, func()) {},
		"client that goes":            func(c net.Conn, _ func()) { c.Close() },
		"supervisor that cannot wait": func(_ net.Conn, cancel func()) { cancel() },
		"client that sends and sends": func(c net.Conn, _ func()) {
			for {
				if _, err := c.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f := NewFarewell()
			begun := make(chan struct{})
			addr := door(t, func(c *net.TCPConn) {
				f.Refuse(ctx, c, refused)
				close(begun)
			})
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			<-begun
			end(c, cancel)
			over := make(chan struct{})
			go func() { f.Wait(); close(over) }()
			select {
			case <-over:
			case <-time.After(patience):
				t.Fatal("the refusal does not end")
			}
		})
	}
}
