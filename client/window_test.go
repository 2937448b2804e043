package client

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// heardListener keeps what its connections read.
type heardListener struct {
	net.Listener
	mu   sync.Mutex
	data bytes.Buffer // guarded by mu
}

func (h *heardListener) Accept() (net.Conn, error) {
	socket, err := h.Listener.Accept()
	return &heardSocket{Conn: socket, by: h}, err
}

type heardSocket struct {
	net.Conn
	by *heardListener
}

func (s *heardSocket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.by.mu.Lock()
	defer s.by.mu.Unlock()
	s.by.data.Write(p[:n])
	return n, err
}

// TestAcksAreNotPinged looks at the frames of a client of which fifty batches are acknowledged:
// a ping for each would cost both sides more than the ack does.
func TestAcksAreNotPinged(t *testing.T) {
	const batches = 50
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := &heardListener{Listener: tcp}
	c := newCollector(t, tcp.Addr().String(), orderly)
	c.listen(listener)
	startProgram(t, c, 1, func(cfg *Config) { cfg.ProgressInterval = 10 * time.Millisecond })
	for range batches {
		wait(t, "a batch", c.arrived)
	}
	listener.mu.Lock()
	defer listener.mu.Unlock()
	f := http2.NewFramer(nil, bytes.NewReader(listener.data.Bytes()[len(http2.ClientPreface):]))
	pings, data := 0, 0
	for frame, err := f.ReadFrame(); err == nil; frame, err = f.ReadFrame() {
		switch frame := frame.(type) {
		case *http2.PingFrame:
			if !frame.IsAck() {
				pings++
			}
		case *http2.DataFrame:
			data++
		}
	}
	if data < batches {
		t.Fatalf("%d frames of data for %d batches", data, batches)
	}
	if pings > 2 {
		t.Errorf("%d pings beside %d frames of data", pings, data)
	}
}
