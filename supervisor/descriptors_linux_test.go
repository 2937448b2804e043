package supervisor

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// connectTCP is a TCP connection: what a client has, and what was accepted.
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
		if got := untouched(accepted); got != tt.want {
			t.Errorf("%s: untouched = %v; want %v", name, got, tt.want)
		}
	}
}

// A limit that is said to be enough is enough, and the one below is not.
func TestTheLimitThatIsAskedForHasRoom(t *testing.T) {
	for _, clients := range []uint64{1, 2, 9, 16, 17, 18, 100, 5000} {
		limit := limitFor(clients)
		if got := roomFor(limit); got < clients {
			t.Errorf("a limit of %d has room for %d; want %d", limit, got, clients)
		}
		if got := roomFor(limit - 4); got >= clients {
			t.Errorf("a limit of %d has room for %d; want fewer than %d", limit-4, got, clients)
		}
	}
}

func TestALowLimitIsTold(t *testing.T) {
	var out bytes.Buffer
	cfg := Config{Clients: 9, Handler: HandlerConfig{Pool: 4}, Logger: slog.New(slog.NewTextHandler(&out, nil))}
	if err := cfg.checkDescriptors(1024); err != nil || out.Len() != 0 {
		t.Errorf("1024: %v, logged %q; want nothing", err, out.String())
	}
	if err := cfg.checkDescriptors(64); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "9 clients need ") || !strings.Contains(err.Error(), " and the limit is 64, which has room for 1; ") {
		t.Errorf("64: %v, logged %q; want a warning", err, out.String())
	}
	if err := cfg.checkDescriptors(32); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "raise it to ") {
		t.Errorf("32: %v; want ErrConfig", err)
	}
}
