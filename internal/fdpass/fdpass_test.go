package fdpass_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
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
		id   uint64
		conn net.Conn
		err  error
	}
	got := make(chan received, 1)
	go func() {
		id, conn, err := fdpass.Receive(child)
		got <- received{id, conn, err}
	}()
	if err := fdpass.Send(parent, 42, server); err != nil {
		t.Fatal(err)
	}
	server.Close()

	r := <-got
	if r.err != nil || r.id != 42 {
		t.Fatalf("Receive = id %d, error %v; want 42, nil", r.id, r.err)
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

func TestReceiveEndsWithItsPeer(t *testing.T) {
	parent, child := line(t)
	parent.Close()
	if _, _, err := fdpass.Receive(child); !errors.Is(err, io.EOF) {
		t.Fatalf("Receive = %v; want io.EOF", err)
	}
}

func TestReceiveRefusesOtherPackets(t *testing.T) {
	for name, packet := range map[string]string{"short": "abc", "no descriptor": "12345678"} {
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
	err := fdpass.Send(parent, 42, server)
	if err == nil || !strings.Contains(err.Error(), "7 was confirmed") {
		t.Fatalf("Send = %v; want an error that names 7", err)
	}
}

func TestSendEndsAtTheDeadline(t *testing.T) {
	parent, _ := line(t)
	server, _ := tcpPair(t)
	parent.SetDeadline(time.Now().Add(time.Millisecond))
	if err := fdpass.Send(parent, 1, server); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Send = %v; want a deadline error", err)
	}
}
