package door

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAConnectionSpeaks(t *testing.T) {
	t.Parallel()
	over := errors.New("over")
	for name, tt := range map[string]struct {
		do       func(c net.Conn, end context.CancelCauseFunc)
		patience time.Duration
		want     error
	}{
		"a byte": {func(c net.Conn, _ context.CancelCauseFunc) { c.Write([]byte("x")) }, patience, nil},
		"a byte and the end": {func(c net.Conn, _ context.CancelCauseFunc) { c.Write([]byte("x")); c.Close() },
			patience, nil},
		"the end": {func(c net.Conn, _ context.CancelCauseFunc) { c.Close() }, patience, ErrMuteClient},
		"a reset": {func(c net.Conn, _ context.CancelCauseFunc) { c.(*net.TCPConn).SetLinger(0); c.Close() },
			patience, ErrMuteClient},
		"nothing":            {func(net.Conn, context.CancelCauseFunc) {}, time.Millisecond, ErrSilentClient},
		"the end of the run": {func(_ net.Conn, end context.CancelCauseFunc) { end(over) }, patience, over},
	} {
		for _, before := range []bool{true, false} { // before it is waited for, or after
			client, accepted := connectTCP(t)
			ctx, end := context.WithCancelCause(t.Context())
			done := make(chan struct{})
			if before {
				tt.do(client, end)
				close(done)
			} else {
				go func() { defer close(done); tt.do(client, end) }()
			}
			err := AwaitSpeech(ctx, accepted, tt.patience)
			if !errors.Is(err, tt.want) {
				t.Errorf("%s, before: %v: %v; want %v", name, before, err, tt.want)
			}
			<-done
			if name == "a byte" && !Untouched(accepted) {
				t.Errorf("%s: something was read", name)
			}
			if tt.want == nil { // whoever has it now may take its time
				if n, err := accepted.Read(make([]byte, 10)); n != 1 || err != nil {
					t.Errorf("%s: reading afterwards: %d, %v", name, n, err)
				}
			}
			end(nil)
		}
	}
}

// connectTCP returns a TCP connection: what a client has, and what was accepted.
func connectTCP(t *testing.T) (client net.Conn, accepted *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return client, c.(*net.TCPConn)
}

// send sends bytes and waits until they have come.
func send(t *testing.T, client net.Conn, accepted *net.TCPConn, n int) {
	t.Helper()
	if _, err := client.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	raw, err := accepted.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Read(func(fd uintptr) bool {
		return func() int {
			queued, _ := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
			return queued
		}() >= n
	}); err != nil {
		t.Fatal(err)
	}
}

// A connection can be handed on as long as nobody read from it or wrote to it.
func TestAConnectionIsUntouchedUntilSomebodyReadsOrWrites(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(client net.Conn, accepted *net.TCPConn)
		want bool
	}{
		"fresh":   {func(net.Conn, *net.TCPConn) {}, true},
		"unread":  {func(c net.Conn, a *net.TCPConn) { send(t, c, a, 100) }, true},
		"read":    {func(c net.Conn, a *net.TCPConn) { send(t, c, a, 100); io.ReadFull(a, make([]byte, 1)) }, false},
		"written": {func(_ net.Conn, a *net.TCPConn) { a.Write([]byte("x")) }, false},
		"closed":  {func(_ net.Conn, a *net.TCPConn) { a.Close() }, false},
	} {
		client, accepted := connectTCP(t)
		tt.do(client, accepted)
		if got := Untouched(accepted); got != tt.want {
			t.Errorf("%s: untouched = %v; want %v", name, got, tt.want)
		}
	}
}
