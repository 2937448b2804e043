package handler

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestStoryOfABrokenConnection(t *testing.T) {
	opError := func(err error) error { return &net.OpError{Op: "read", Net: "tcp", Err: err} }
	for _, tt := range []struct {
		name   string
		errs   []error
		silent time.Duration // since the last byte
		class  bulkheadv1.EndClass
		code   codes.Code
		text   string
	}{
		{"end-of-file", []error{io.EOF}, 0, gone, codes.Unavailable, "client closed the connection"},
		{"a reset", []error{opError(syscall.ECONNRESET)}, 0, gone, codes.Unavailable, "client reset the connection"},
		{"a write after a reset", []error{opError(syscall.EPIPE)}, 0, gone, codes.Unavailable,
			"client reset the connection"},
		{"no acknowledgement", []error{opError(syscall.ETIMEDOUT)}, 0, mute, codes.Unavailable,
			"client acknowledged nothing that was sent to it"},
		{"another error", []error{opError(syscall.EHOSTUNREACH)}, 0, broke, codes.Unavailable,
			"connection broke: read tcp: no route to host"},
		{"the first error counts", []error{io.EOF, opError(syscall.ECONNRESET)}, 0, gone, codes.Unavailable,
			"client closed the connection"},
		{"the handshake's deadline", []error{opError(os.ErrDeadlineExceeded), net.ErrClosed}, 0, late,
			codes.DeadlineExceeded, "client said no Hello in time"},
		{"silence", []error{net.ErrClosed}, time.Minute, mute, codes.Unavailable,
			"client sent nothing and answered no ping for 1m0s"},
		{"closed on this side", []error{net.ErrClosed}, time.Second, broke, codes.Unavailable,
			"connection was closed on this side"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClientConn(nil)
			for _, err := range tt.errs {
				c.note(err)
			}
			c.began, c.silence = time.Now().Add(-tt.silent), 20*time.Second
			wantViolation(t, c.story(), tt.class, tt.code, tt.text)
		})
	}
}

func TestOneConnAcceptsOnce(t *testing.T) {
	_, server := socketPair(t)
	l := newOneConn(server)
	if c, err := l.Accept(); c != server || err != nil {
		t.Fatalf("Accept = %v, %v; want the connection", c, err)
	}
	second := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		second <- err
	}()
	for range 2 {
		must(t, l.Close())
	}
	if err := <-second; !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Accept = %v; want net.ErrClosed", err)
	}
	if fmt.Sprint(l.Addr()) != fmt.Sprint(server.LocalAddr()) {
		t.Errorf("Addr = %v; want %v", l.Addr(), server.LocalAddr())
	}
}

func TestClientConnClosesOnce(t *testing.T) {
	_, server := socketPair(t)
	c := newClientConn(server)
	must(t, c.Close())
	select {
	case <-c.closed:
	default:
		t.Error("Close did not say so")
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close = %v; want net.ErrClosed", err)
	}
}

// Keepalives may come for ever. Who sends frames that carry nothing more often than any library does,
// however evenly, and says nothing, comes to an end; who says something goes on.
func TestThePurse(t *testing.T) {
	ping := frameHeader{kind: http2.FramePing, length: 8}
	update := frameHeader{kind: http2.FrameWindowUpdate, length: 4}
	said := frameHeader{kind: http2.FrameData, length: 200, stream: 1}
	for _, c := range []struct {
		name  string
		every time.Duration
		sends []frameHeader
		ends  bool
	}{
		{"a keepalive", 200 * time.Millisecond, []frameHeader{ping}, false},
		{"windows alone", 50 * time.Millisecond, []frameHeader{update}, true},
		{"messages, pings and windows", time.Millisecond, []frameHeader{said, ping, update, update}, false},
		{"a message in a flood", time.Millisecond, append(slices.Repeat([]frameHeader{ping}, 10), said), true},
	} {
		p := purse{left: purseMost}
		ended := false
		for now := time.Duration(0); now < time.Hour && !ended; now += c.every {
			p.fill(now)
			for _, f := range c.sends {
				p.pay(f, f.length)
			}
			ended = p.left < 0
		}
		if ended != c.ends {
			t.Errorf("%s: ended within an hour: %t", c.name, ended)
		}
	}
}
