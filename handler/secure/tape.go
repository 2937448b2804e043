package secure

import (
	"net"
	"sync/atomic"
)

// maxTape bounds what is recorded of a handshake, in each direction. A client whose certificates
// are larger cannot prove who it is.
const maxTape = 64 << 10

// tape records what passes over a connection until it is stopped. One goroutine reads and writes
// until then.
type tape struct {
	net.Conn
	recording atomic.Bool
	in, out   []byte
}

func (t *tape) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if t.recording.Load() {
		t.in = append(t.in, p[:min(n, maxTape-len(t.in))]...)
	}
	return n, err
}

func (t *tape) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p)
	if t.recording.Load() {
		t.out = append(t.out, p[:min(n, maxTape-len(t.out))]...)
	}
	return n, err
}

// stop ends the recording, and returns what came in and went out.
func (t *tape) stop() (in, out []byte) {
	t.recording.Store(false)
	in, out = t.in, t.out
	t.in, t.out = nil, nil
	return in, out
}
