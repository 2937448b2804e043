package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// http2FrameHeader is the length of a frame's header: length (3), type (1),
	// flags (1), stream (4); RFC 9113, section 4.1.
	http2FrameHeader = 9
	// http2GoAway is the type of a GOAWAY frame: last stream (4), error code (4),
	// debug data; section 6.8.
	http2GoAway = 0x7
	// http2Settings is the type of a SETTINGS frame, the first one of a server.
	http2Settings = 0x4
	// http2InadequateSecurity is the error code of a GOAWAY by which a supervisor asks for TLS;
	// section 7.
	http2InadequateSecurity = 0xc
	// restTimeout bounds reading what a closed connection still holds; that does not
	// block.
	restTimeout = 100 * time.Millisecond
	// goAwayMaxBytes is how much of a GOAWAY is kept.
	goAwayMaxBytes = 1024
)

// wire is the socket of a connection. It remembers what gRPC does not pass on: the
// words of a GOAWAY, by which a supervisor sends a client away before any stream,
// and the error that ended the socket. heard is called whenever bytes are read, with
// the time at which the last of them came.
type wire struct {
	net.Conn
	socket net.Conn // below Conn, with TLS
	heard  func(at time.Time)

	mu     sync.Mutex
	came   time.Time     // guarded by mu; when the newest bytes did; zero for none
	frames goAwayScanner // guarded by mu
	err    error         // guarded by mu; the first error of reading or writing
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frames.scan(p[:n])
	w.note(err)
	if n > 0 {
		w.came = time.Now().Add(-sinceData(w.socket))
		w.heard(w.came)
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil {
		w.rest()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(err)
	return n, err
}

// rest looks at what the far side has sent before it closed the connection. gRPC does
// not, when it is a write that fails.
func (w *wire) rest() {
	if w.Conn.SetReadDeadline(time.Now().Add(restTimeout)) != nil {
		return // closed by this side
	}
	buffer := make([]byte, 4*goAwayMaxBytes)
	n, _ := io.ReadFull(w.Conn, buffer) // whatever there is
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frames.scan(buffer[:n])
}

// silence returns for how long nothing has come; 0 if nothing ever has.
func (w *wire) silence() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.came.IsZero() {
		return 0
	}
	return time.Since(w.came)
}

// note remembers the first error, unless it is this side's own doing; mu is held.
func (w *wire) note(err error) {
	own := errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded)
	if w.err == nil && !own {
		w.err = err
	}
}

// goAway returns the text of the last GOAWAY, if one came.
func (w *wire) goAway() (text string, came bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.frames.text()
}

// mustSecure reports whether a GOAWAY came that asks for TLS.
func (w *wire) mustSecure() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := &w.frames
	return f.came && len(f.kept) >= 8 && binary.BigEndian.Uint32(f.kept[4:8]) == http2InadequateSecurity
}

// failure returns in plain words how the socket ended; "" if it did not.
func (w *wire) failure() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var code syscall.Errno
	switch {
	case w.frames.alien:
		return "what listens there does not speak the supervisor's protocol"
	case w.err == nil:
		return ""
	case errors.Is(w.err, io.EOF), errors.Is(w.err, io.ErrUnexpectedEOF):
		return "the supervisor's side closed the connection"
	case errors.Is(w.err, syscall.ECONNRESET), errors.Is(w.err, syscall.EPIPE):
		return "the connection was reset"
	case errors.Is(w.err, syscall.ETIMEDOUT):
		return "the network does not answer"
	case errors.As(w.err, &code):
		return code.Error()
	default:
		return w.err.Error()
	}
}

// goAwayScanner finds GOAWAY frames in the bytes that a server sends, however they
// are cut. It keeps a few bytes and looks at nothing else.
type goAwayScanner struct {
	header [http2FrameHeader]byte
	have   int    // bytes of header
	left   int    // bytes of the payload that are still to come
	kept   []byte // of the payload of a GOAWAY
	came   bool
	begun  bool // the first frame came
	alien  bool // it was none that a server begins with
}

func (s *goAwayScanner) scan(p []byte) {
	for len(p) > 0 {
		if s.left == 0 {
			n := copy(s.header[s.have:], p)
			s.have += n
			p = p[n:]
			if s.have < http2FrameHeader {
				return
			}
			s.have = 0
			s.left = int(s.header[0])<<16 | int(s.header[1])<<8 | int(s.header[2])
			kind := s.header[3]
			if !s.begun {
				s.begun, s.alien = true, kind != http2Settings && kind != http2GoAway
			}
			if kind == http2GoAway {
				s.came, s.kept = true, nil
			}
			continue
		}
		n := min(s.left, len(p))
		if s.header[3] == http2GoAway {
			s.kept = append(s.kept, p[:min(n, goAwayMaxBytes-len(s.kept))]...)
		}
		s.left -= n
		p = p[n:]
	}
}

// text returns what the last GOAWAY says to people: its debug data, or its error code.
func (s *goAwayScanner) text() (string, bool) {
	if len(s.kept) < 8 {
		return "", false
	}
	if words := strings.ToValidUTF8(string(s.kept[8:]), "?"); words != "" {
		return words, s.came
	}
	return fmt.Sprintf("the supervisor's side ended the connection (HTTP/2 error code %d)",
		binary.BigEndian.Uint32(s.kept[4:8])), s.came
}
