package harness

import (
	"bytes"
	"net"
	"sync"

	"golang.org/x/net/http2"
)

// Overheard is a connection that keeps what it reads of the far side's HTTP/2.
type Overheard struct {
	net.Conn
	mu   sync.Mutex
	data bytes.Buffer // guarded by mu
}

func (o *Overheard) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.data.Write(p[:n])
	return n, err
}

// Frames counts the far side's pings, answers to pings apart, and its frames of data.
func (o *Overheard) Frames() (pings, data int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := http2.NewFramer(nil, bytes.NewReader(bytes.TrimPrefix(o.data.Bytes(), []byte(http2.ClientPreface))))
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
	return pings, data
}
