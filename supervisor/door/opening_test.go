package door

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
)

// openingOf returns what a client sends that opens a stream after the frames of others.
func openingOf(stream uint32) []byte {
	var b bytes.Buffer
	b.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&b, nil)
	f.AllowIllegalWrites = true
	_ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	_ = f.WriteWindowUpdate(0, 1<<20)
	_ = f.WritePing(false, [8]byte{0, 0, 0, 1}) // could be taken for a header
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte{0x83}, EndHeaders: true})
	return b.Bytes()
}

// However the bytes are cut, the stream is found with the last byte of its header.
func TestTheStreamThatAClientOpensIsFound(t *testing.T) {
	t.Parallel()
	whole := openingOf(7)
	for cut := range whole {
		var o opening
		stream, more := o.take(whole[:cut])
		if more {
			stream, more = o.take(whole[cut:])
		}
		if stream != 7 || more {
			t.Fatalf("cut after %d bytes: stream %d, more %v; want 7", cut, stream, more)
		}
	}
}

func TestWhatOpensNoStream(t *testing.T) {
	t.Parallel()
	whole := openingOf(1)
	for name, tt := range map[string]struct {
		bytes []byte
		more  bool
	}{
		"nothing":            {nil, true},
		"half a preface":     {whole[:10], true},
		"no header":          {whole[:len(whole)-2], true},
		"HTTP/1":             {[]byte("GET / HTTP/1.1\r\n\r\n"), false},
		"TLS":                {[]byte{0x16, 3, 1, 2, 0}, false},
		"a server's stream":  {openingOf(2), false},
		"the connection's":   {openingOf(0), false},
		"one frame too many": {append([]byte(http2.ClientPreface), 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0), true},
	} {
		var o opening
		if stream, more := o.take(tt.bytes); more != tt.more || stream != 0 {
			t.Errorf("%s: stream %d, more %v; want none, %v", name, stream, more, tt.more)
		}
	}
}

// Nothing that a client sends is worth more than a number, and it does not matter how the
// bytes are cut.
func FuzzOpening(f *testing.F) {
	f.Add(openingOf(1), 30)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), 3)
	f.Add([]byte(http2.ClientPreface), 24)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		cut = min(max(0, cut), len(b))
		var whole, parts opening
		stream, more := whole.take(b)
		again, still := parts.take(b[:cut])
		if still {
			again, still = parts.take(b[cut:])
		}
		if stream != again || more != still {
			t.Errorf("whole: %d, %v; cut after %d bytes: %d, %v", stream, more, cut, again, still)
		}
		if stream != 0 && (more || stream%2 == 0) {
			t.Errorf("stream %d, more %v", stream, more)
		}
	})
}
