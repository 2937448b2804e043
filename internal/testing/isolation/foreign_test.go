package isolation_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// foreign is somebody at the port who is no client of ours.
type foreign struct {
	name string
	// say writes what it has to say. Errors do not matter: being cut off is the point.
	say func(net.Conn)
	// answer is what it must read; "" for whatever comes before the end.
	answer string
	// reason is what the report must say.
	reason string
}

// noise returns n random bytes, always the same.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}

func bytesOf(parts ...[]byte) func(net.Conn) {
	return func(c net.Conn) { _, _ = c.Write(bytes.Join(parts, nil)) }
}

// frames returns what write writes as HTTP/2, after the preface and the settings.
func frames(write func(*http2.Framer)) []byte {
	var b bytes.Buffer
	b.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&b, nil)
	_ = f.WriteSettings() // a bytes.Buffer takes everything
	write(f)
	return b.Bytes()
}

// collectHeaders opens stream 1 as a Collect call.
func collectHeaders(f *http2.Framer) {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for _, h := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "bulkhead"},
		{Name: ":path", Value: "/bulkhead.v1.CollectorService/Collect"},
		{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
	} {
		_ = enc.WriteField(h)
	}
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b.Bytes(), EndHeaders: true})
}

// endlessHeaders begins a block of headers and never ends it.
func endlessHeaders(f *http2.Framer) {
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	_ = enc.WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("!", 12<<10)})
	for range 512 {
		_ = f.WriteContinuation(1, false, b.Bytes())
	}
}

func pingFlood(f *http2.Framer) {
	for range 100_000 {
		_ = f.WritePing(false, [8]byte{})
	}
}

func foreigners() []foreign {
	const notHTTP2 = "client sent bytes that are not HTTP/2"
	return []foreign{
		{name: "1 MiB of random bytes", say: bytesOf(noise(1 << 20)),
			reason: "client does not speak gRPC: its first bytes are "},
		{name: "random bytes after the preface", say: bytesOf([]byte(http2.ClientPreface), noise(1<<20)),
			reason: notHTTP2},
		{name: "random bytes after the settings", say: bytesOf(frames(func(*http2.Framer) {}), noise(1<<20)),
			reason: "client broke HTTP/2: it sent "},
		{name: "zeros", say: bytesOf(make([]byte, 1<<20)), reason: `its first bytes are "\x00`},
		{name: "HTTP/1", say: bytesOf([]byte("GET /metrics HTTP/1.1\r\nHost: bulkhead\r\n\r\n")),
			answer: "HTTP/1.1 400 Bad Request\r\n",
			reason: `client speaks HTTP/1 ("GET "); this port speaks gRPC (HTTP/2)`},
		{name: "HTTP/1 with a body",
			say:    bytesOf([]byte("POST / HTTP/1.1\r\nHost: bulkhead\r\nContent-Length: 16384\r\n\r\n"), noise(16384)),
			answer: "This is a Bulkhead collector: it speaks gRPC (HTTP/2) with bulkhead clients.",
			reason: `client speaks HTTP/1 ("POST ")`},
		{name: "TLS", say: func(c net.Conn) {
			_ = tls.Client(c, &tls.Config{ServerName: "bulkhead", MinVersion: tls.VersionTLS12}).Handshake()
		},
			reason: "client speaks TLS; this port speaks gRPC without TLS"},
		{name: "half the preface and gone", say: func(c net.Conn) {
			bytesOf([]byte(http2.ClientPreface[:12]))(c)
			_ = c.(*net.TCPConn).CloseWrite()
		}, reason: "client closed the connection after 12 of the 24 bytes that begin HTTP/2"},
		{name: "nothing and gone", say: func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() },
			reason: "client closed the connection without a byte"},
		{name: "headers without end", say: bytesOf(frames(endlessHeaders)),
			reason: "the headers of the client's request are larger than 16384 bytes"},
		{name: "a flood of pings", say: bytesOf(frames(pingFlood)),
			reason: "client sent a flood of HTTP/2 frames that carry nothing"},
	}
}

// Whoever speaks something else is shown the door with its own reason. Another
// client does not notice, and the run is complete all the same.
func TestForeignBytesAreRejectedAndMakeNothingPartial(t *testing.T) {
	t.Parallel()
	s := start(t)
	by := bystander(t, s, rawclient.Hello("bystander"))
	s.settled(1, 4)
	before := privateMemory(t, s.Pid())
	peers := make(map[string]string)
	for _, f := range foreigners() {
		i := f.intrude(s.Addr)
		by.goesOn(t)
		peers[f.name] = i.shown(t)
		by.goesOn(t)
	}
	s.settled(1, 4)
	bounded(t, s, before)
	sent := by.finish(t)

	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
	rejected(t, rep, foreigners(), peers)
}

// intruder is a foreigner at work.
type intruder struct {
	foreign
	done   chan struct{} // closed at the end; the rest is there then
	peer   string
	answer []byte
	err    error // why the answer ended, or why there was none
}

// intrude connects, speaks, and reads until it is cut off.
func (f foreign) intrude(addr string) *intruder {
	i := &intruder{foreign: f, done: make(chan struct{})}
	go func() { // ends when it is cut off, at the latest at its deadline
		defer close(i.done)
		c, err := net.Dial("tcp", addr)
		if err != nil {
			i.err = err
			return
		}
		defer c.Close()
		i.peer = c.LocalAddr().String()
		if i.err = c.SetDeadline(time.Now().Add(patience)); i.err != nil {
			return
		}
		f.say(c)
		i.answer, i.err = io.ReadAll(c)
	}()
	return i
}

// shown checks what the foreigner was shown before the door, and returns its address.
func (i *intruder) shown(t *testing.T) (peer string) {
	t.Helper()
	<-i.done
	if isTimeout(i.err) || i.peer == "" {
		t.Errorf("%s: was not cut off: %v", i.name, i.err)
	}
	if got := readable(i.answer); !strings.Contains(got, i.foreign.answer) {
		t.Errorf("%s: the answer is %q; want %q", i.name, got, i.foreign.answer)
	}
	return i.peer
}

// readable returns what a server wrote, and if it wrote HTTP/2 frames, the headers in
// them: a line each.
func readable(answer []byte) string {
	f := http2.NewFramer(io.Discard, bytes.NewReader(answer))
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var lines strings.Builder
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return lines.String() + string(answer)
		}
		if h, ok := frame.(*http2.MetaHeadersFrame); ok {
			for _, field := range h.Fields {
				lines.WriteString(field.Name + ": " + field.Value + "\n")
			}
		}
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// rejected checks that each of them is in the report as a rejection with its
// reason, that there are no others, and that no handler took harm.
func rejected(t *testing.T, rep *report.Report, list []foreign, peers map[string]string) {
	t.Helper()
	for _, f := range list {
		rejection(t, rep, f.name, peers[f.name], f.reason)
	}
	if len(rep.Rejections) != len(list) {
		t.Errorf("the report has %d rejections; want %d", len(rep.Rejections), len(list))
	}
	for _, h := range rep.Handlers {
		if h.Exit == nil || h.Exit.Class != report.ExitClean {
			t.Errorf("handler %d of %s ended like this: %+v; want clean", h.Pid, h.Peer, h.Exit)
		}
	}
}
