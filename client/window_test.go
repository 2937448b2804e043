package client

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/client/spec"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/scripted"
)

// overhearing keeps what the newest of its connections reads.
type overhearing struct {
	net.Listener
	newest atomic.Pointer[harness.Overheard]
}

func (o *overhearing) Accept() (net.Conn, error) {
	socket, err := o.Listener.Accept()
	if err != nil {
		return nil, err
	}
	heard := &harness.Overheard{Conn: socket}
	o.newest.Store(heard)
	return heard, nil
}

// TestAcksAreNotPinged looks at the frames of a client of which fifty batches are acknowledged:
// a ping for each would cost both sides more than the ack does.
func TestAcksAreNotPinged(t *testing.T) {
	const batches = 50
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := &overhearing{Listener: tcp}
	c := scripted.New(t, tcp.Addr().String(), scripted.Orderly)
	c.Listen(listener)
	startProgram(t, c, 1, func(cfg *spec.Config) { cfg.ProgressInterval = 10 * time.Millisecond })
	for range batches {
		scripted.Wait(t, "a batch", c.Arrived)
	}
	pings, data := listener.newest.Load().Frames()
	if data < batches {
		t.Fatalf("%d frames of data for %d batches", data, batches)
	}
	if pings > 2 {
		t.Errorf("%d pings beside %d frames of data", pings, data)
	}
}
