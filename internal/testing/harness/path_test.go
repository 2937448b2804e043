package harness

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

const patience = 30 * time.Second

// pathway returns a path with one connection on it: near is the one who connected, far
// the target's side.
func pathway(t *testing.T) (p *Path, near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	p, err = NewPath(l.Addr().String())
	must(t, err)
	t.Cleanup(p.Close)
	conn, err := net.Dial("tcp", p.Addr())
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	peer, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { peer.Close() })
	near, far = conn.(*net.TCPConn), peer.(*net.TCPConn)
	for _, c := range []net.Conn{near, far} {
		must(t, c.SetDeadline(time.Now().Add(patience)))
	}
	crosses(t, near, far, "there")
	crosses(t, far, near, "and back")
	if got := far.RemoteAddr().String(); got != p.Peer() {
		t.Errorf("the target sees %s; Peer says %s", got, p.Peer())
	}
	return p, near, far
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// crosses checks that what is written on one side is read on the other.
func crosses(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(from, text)
	must(t, err)
	arrives(t, to, text)
}

func arrives(t *testing.T, to net.Conn, text string) {
	t.Helper()
	buf := make([]byte, len(text))
	_, err := io.ReadFull(to, buf)
	must(t, err)
	if string(buf) != text {
		t.Errorf("got %q; want %q", buf, text)
	}
}

// silent checks that nothing arrives.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes, %v; want silence", n, err)
	}
	must(t, c.SetReadDeadline(time.Now().Add(patience)))
}

func TestPathCut(t *testing.T) {
	p, near, far := pathway(t)
	p.Hold(Up, Down) // a cut goes through all the same
	p.Cut()
	for _, c := range []net.Conn{near, far} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after a cut: %v; want a reset", err)
		}
	}
}

func TestPathHeldAndReleased(t *testing.T) {
	p, near, far := pathway(t)
	p.Hold(Down)
	_, err := io.WriteString(far, "late")
	must(t, err)
	silent(t, near)
	crosses(t, near, far, "up goes on")
	p.Hold(Up)
	_, err = io.WriteString(near, "last words")
	must(t, err)
	must(t, near.CloseWrite())
	silent(t, far)
	p.Release()
	arrives(t, near, "late")
	arrives(t, far, "last words")
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v; want EOF", err)
	}
	crosses(t, far, near, "down is still open")
}

func TestPathHalfOpen(t *testing.T) {
	p, near, far := pathway(t)
	p.HalfOpen()
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the target got %v; want EOF", err)
	}
	_, err := io.WriteString(far, "unheard")
	must(t, err)
	silent(t, near)
	_, err = io.WriteString(near, "nor this") // it believes itself connected
	must(t, err)
}

func TestPathSlow(t *testing.T) {
	p, near, far := pathway(t)
	p.Slow(1000)
	crosses(t, near, far,
		"a text of more than one portion: a hundred bytes, or so, would take a tenth of a second, and so on")
	p.Slow(0)
	crosses(t, near, far, "fast again")
}

func TestPathRefuses(t *testing.T) {
	p, near, far := pathway(t)
	p.Refuse()
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting: %v; want a refusal", err)
	}
	crosses(t, near, far, "the old one stays")
	must(t, p.Admit())
	c, err := net.Dial("tcp", p.Addr())
	must(t, err)
	c.Close()
}
