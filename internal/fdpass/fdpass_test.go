package fdpass_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/fdpass"
)

// line returns both ends of a line as connections.
func line(t *testing.T) (parent, child *net.UnixConn) {
	t.Helper()
	parent, f, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	child = c.(*net.UnixConn)
	deadline := time.Now().Add(10 * time.Second)
	parent.SetDeadline(deadline)
	child.SetDeadline(deadline)
	t.Cleanup(func() { parent.Close(); child.Close() })
	return parent, child
}

// tcpPair returns both ends of a loopback TCP connection.
func tcpPair(t *testing.T) (server *net.TCPConn, client net.Conn) {
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
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); client.Close() })
	return s.(*net.TCPConn), client
}

func TestSocketOutlivesItsSendersCopy(t *testing.T) {
	parent, child := line(t)
	server, client := tcpPair(t)

	type received struct {
		fdpass.Handover
		conn net.Conn
		err  error
	}
	got := make(chan received, 1)
	go func() {
		h, conn, err := fdpass.Receive(child)
		got <- received{h, conn, err}
	}()
	if err := fdpass.Send(parent, fdpass.Handover{ID: 42}, server); err != nil {
		t.Fatal(err)
	}
	server.Close()

	r := <-got
	if r.err != nil || r.Handover != (fdpass.Handover{ID: 42}) {
		t.Fatalf("Receive = %+v, %v; want connection 42", r.Handover, r.err)
	}
	defer r.conn.Close()
	if _, err := r.conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	r.conn.Close()
	all, err := io.ReadAll(client)
	if err != nil || string(all) != "hello" {
		t.Fatalf("client read %q, %v; want hello", all, err)
	}
}

// A packet that says how long the client may take has a length of its own, and no other has one
// that is taken.
func TestPatienceGoesWithASocket(t *testing.T) {
	parent, child := line(t)
	server, _ := tcpPair(t)
	want := fdpass.Handover{ID: 43, Patience: 2 * time.Second}
	sent := make(chan error, 1)
	go func() { sent <- fdpass.Send(parent, want, server) }()
	got, conn, err := fdpass.Receive(child)
	if err != nil || got != want {
		t.Fatalf("Receive = %+v, %v; want %+v", got, err, want)
	}
	conn.Close()
	if err := <-sent; err != nil {
		t.Error(err)
	}
	raw, err := server.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, packet := range []string{"123456781234567", "12345678123456781", "12345678\xff2345678"} {
		err := raw.Control(func(fd uintptr) {
			_, _, err := parent.WriteMsgUnix([]byte(packet), syscall.UnixRights(int(fd)), nil)
			if err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if h, _, err := fdpass.Receive(child); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("Receive of %q = %+v, %v; want os.ErrInvalid", packet, h, err)
		}
	}
}

// A secret is there before its child is, and in nobody's way.
func TestASecretIsConfided(t *testing.T) {
	parent, child := line(t)
	if got := fdpass.Confided(child); got != "" {
		t.Errorf("on an empty line there is the secret %q", got)
	}
	secret := strings.Repeat("s", fdpass.SecretBytes)
	for _, bad := range []string{"", secret[1:], secret + "s"} {
		if err := fdpass.Confide(parent, bad); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("Confide of %d bytes = %v; want os.ErrInvalid", len(bad), err)
		}
	}
	if err := errors.Join(fdpass.Confide(parent, secret), fdpass.End(parent)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{secret, ""} {
		if got := fdpass.Confided(child); got != want {
			t.Errorf("Confided = %q; want %q", got, want)
		}
	}
	if _, _, err := fdpass.Receive(child); !errors.Is(err, fdpass.ErrEnd) {
		t.Errorf("Receive = %v; want what came behind the secret", err)
	}
	parent.Close()
	if got := fdpass.Confided(child); got != "" {
		t.Errorf("where the parent is gone there is the secret %q", got)
	}
}

func TestReceiveEndsWithItsPeer(t *testing.T) {
	parent, child := line(t)
	parent.Close()
	if _, _, err := fdpass.Receive(child); !errors.Is(err, io.EOF) {
		t.Fatalf("Receive = %v; want io.EOF", err)
	}
}

// A line that is closed after End says both, in this order.
func TestEndIsToldBeforeTheClose(t *testing.T) {
	parent, child := line(t)
	if err := fdpass.End(parent); err != nil {
		t.Fatal(err)
	}
	parent.Close()
	if _, _, err := fdpass.Receive(child); !errors.Is(err, fdpass.ErrEnd) {
		t.Fatalf("Receive = %v; want ErrEnd", err)
	}
	if _, _, err := fdpass.Receive(child); !errors.Is(err, io.EOF) {
		t.Fatalf("second Receive = %v; want io.EOF", err)
	}
}

func TestGone(t *testing.T) {
	parent, child := line(t)
	if fdpass.Gone(child) {
		t.Error("a parent that is there is gone")
	}
	if err := fdpass.End(parent); err != nil {
		t.Fatal(err)
	}
	parent.Close()
	if fdpass.Gone(child) {
		t.Error("what the parent said is not taken yet")
	}
	if _, _, err := fdpass.Receive(child); !errors.Is(err, fdpass.ErrEnd) {
		t.Fatalf("Receive = %v; want ErrEnd", err)
	}
	for range 2 {
		if !fdpass.Gone(child) {
			t.Error("a parent that is gone is there")
		}
	}
}

// A child that reads nothing, because it was stopped, does not block its parent.
func TestEndDoesNotBlock(t *testing.T) {
	parent, _ := line(t)
	for range 1 << 20 {
		if err := fdpass.End(parent); err != nil {
			if !errors.Is(err, syscall.EAGAIN) {
				t.Fatalf("End = %v; want EAGAIN", err)
			}
			return
		}
	}
	t.Fatal("a line has room without end")
}

func TestOpenRefusesOtherDescriptors(t *testing.T) {
	if _, err := fdpass.Open(-1); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("Open(-1) = %v; want os.ErrInvalid", err)
	}
	null, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fdpass.Open(null); err == nil {
		t.Error("Open of a file succeeded")
	}
	if err := syscall.Close(null); !errors.Is(err, syscall.EBADF) {
		t.Errorf("closing the descriptor again: %v; want EBADF, for Open has closed it", err)
	}
}

func TestReceiveRefusesOtherPackets(t *testing.T) {
	for name, packet := range map[string]string{"short": "abc", "no descriptor": "12345678",
		"no descriptor with a time": "1234567812345678"} {
		t.Run(name, func(t *testing.T) {
			parent, child := line(t)
			if _, err := parent.Write([]byte(packet)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := fdpass.Receive(child); !errors.Is(err, os.ErrInvalid) {
				t.Fatalf("Receive = %v; want os.ErrInvalid", err)
			}
		})
	}
}

func TestSendNamesAWrongConfirmation(t *testing.T) {
	parent, child := line(t)
	server, _ := tcpPair(t)
	if _, err := child.Write([]byte("\x00\x00\x00\x00\x00\x00\x00\x07")); err != nil {
		t.Fatal(err)
	}
	err := fdpass.Send(parent, fdpass.Handover{ID: 42}, server)
	if err == nil || !strings.Contains(err.Error(), "7 was confirmed") {
		t.Fatalf("Send = %v; want an error that names 7", err)
	}
}

func TestSendEndsAtTheDeadline(t *testing.T) {
	parent, _ := line(t)
	server, _ := tcpPair(t)
	parent.SetDeadline(time.Now().Add(time.Millisecond))
	if err := fdpass.Send(parent, fdpass.Handover{ID: 1}, server); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Send = %v; want a deadline error", err)
	}
}
