package isolation_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// dialFrom opens a connection from an address of this machine.
func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", to)
	expect.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// A client whose handler has died comes back, although others at its address have closed the
// door for everybody else there: what is awaited has a way in of its own.
func TestNoiseOfItsAddressDoesNotKeepAClientAway(t *testing.T) {
	t.Parallel()
	s := start(t, "--overload-crash-delay", "1s", "--clients", "1")
	h := rawclient.Hello("awaited")
	again := func() (*rawclient.Client, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		c, err := rawclient.Dial(ctx, s.Addr)
		if err == nil {
			_, err = c.Greet(h)
		}
		if err != nil {
			cancel()
			return nil, err
		}
		t.Cleanup(func() { c.Close(); cancel() })
		return c, nil
	}
	c, err := again()
	expect.NoError(t, err)
	expect.NoError(t, c.SendBatch(1, 3))
	expect.NoError(t, c.AwaitAck(3))
	expect.NoError(t, syscall.Kill(int(s.session("awaited").GetHandlerPid()), syscall.SIGKILL))
	s.await("awaited", "away")

	for range 100 { // strangers of the same address: each costs a handler, for nothing
		func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c, err := rawclient.Dial(ctx, s.Addr)
			expect.NoError(t, err)
			defer c.Close()
			if _, err = c.Greet(rawclient.Hello("")); err == nil {
				t.Error("a Hello without a name was welcomed")
			}
		}()
	}
	c, err = again() // at once
	expect.NoError(t, err)
	expect.NoError(t, c.Goodbye(3))
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Errorf("the session ended with %v; want OK", err)
	}
	if _, err := s.Wait(patience); err != nil { // its status is about the strangers
		t.Error(err)
	}
	s.nothingLeft()
	if got := expect.Client(t, s.checkJournal(), "awaited"); got.Outcome != report.OutcomeClosed {
		t.Errorf("outcome %s; want closed", got.Outcome)
	}
}

// Connections of one address that say nothing keep nobody of another out, however many.
func TestSilenceOfOneAddressKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	s := start(t, "--overload-startups", "40:100:60", "--clients", "1")
	for range 300 {
		dialFrom(t, "127.0.0.2", s.Addr)
	}
	c := s.dial()
	_, err := c.Greet(rawclient.Hello("heard"))
	expect.NoError(t, err)
	expect.NoError(t, c.SendBatch(1, 3))
	expect.NoError(t, c.AwaitAck(3))
	expect.NoError(t, c.Goodbye(3))
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Errorf("the session ended with %v; want OK", err)
	}
	s.finish(exitComplete)
}
