package calls

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// script is what a server says that was taken over.
type script struct {
	bytes.Buffer
	*http2.Framer
	block bytes.Buffer
	coder *hpack.Encoder
}

func newScript() *script {
	s := &script{}
	s.Framer = http2.NewFramer(&s.Buffer, nil)
	s.AllowIllegalWrites = true
	s.coder = hpack.NewEncoder(&s.block)
	return s
}

func (s *script) headers(stream uint32, end bool, fields ...string) {
	s.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = s.coder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // to memory
	}
	_ = s.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: s.block.Bytes(), EndHeaders: true,
		EndStream: end})
}

func (s *script) begin() {
	_ = s.WriteSettings()
	s.headers(1, false, ":status", "200", "content-type", "application/grpc")
}

// message returns an encoded message with its prefix, of a frame that holds n bytes.
func message(n uint64) []byte {
	data, _ := proto.Marshal(frameOf(n))
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(data))), data...)
}

// received returns what the first call of a connection gets of a server that says so and hangs up.
func received(t testing.TB, said []byte) (messages int, err error) {
	t.Helper()
	near, far := pair(t)
	c, err := New(near, Options{MaxMessageBytes: most, MaxHeaderBytes: 16 << 10, WindowBytes: windowBytes})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := bulkheadv1.NewHandlerServiceClient(c).Serve(ctx)
	must(t, err)
	heard := make(chan struct{})
	go func() { defer close(heard); _, _ = io.Copy(io.Discard, far) }() // ends with the connection
	spoken := make(chan struct{})
	go func() { // ends with what there is to say, or the connection
		defer close(spoken)
		_, _ = far.Write(said)
		_ = far.(interface{ CloseWrite() error }).CloseWrite()
	}()
	for {
		if _, err = s.Recv(); err != nil {
			break
		}
		messages++
	}
	c.Close()
	<-heard
	far.Close()
	<-spoken
	if len(c.calls) > 0 {
		t.Errorf("%d calls outlive the connection", len(c.calls))
	}
	return messages, err
}

// What breaks HTTP/2 or gRPC ends the call, with a reason; nothing that is sent is kept or waited for.
func TestServersThatBreakTheRules(t *testing.T) {
	for name, tt := range map[string]struct {
		say      func(s *script)
		messages int
		code     codes.Code
		words    string
	}{
		"nothing": {func(*script) {}, 0, codes.Unavailable, "EOF"},
		"other words": {func(s *script) { s.WriteString("HTTP/1.1 400 Bad Request\r\n\r\n") }, 0, codes.Unavailable,
			"frame too large"},
		"hangs up": {func(s *script) { s.begin(); s.WriteData(1, false, message(3)) }, 1, codes.Unavailable, "EOF"},
		"half a message": {func(s *script) {
			s.begin()
			s.WriteData(1, false, message(3)[:6])
			s.headers(1, true, "grpc-status", "0")
		}, 0, codes.Unknown, "unexpected EOF"},
		"trailers only": {func(s *script) { s.headers(1, true, ":status", "200", "grpc-status", "16") }, 0,
			codes.Unauthenticated, ""},
		"no status": {func(s *script) { s.begin(); s.headers(1, true, "x", "y") }, 0,
			codes.Unknown, "have no status"},
		"no trailers": {func(s *script) { s.begin(); s.WriteData(1, true, message(1)) }, 1, codes.Internal,
			"without sending trailers"},
		"another protocol": {func(s *script) { s.headers(1, false, ":status", "404") }, 0, codes.Unknown, "404"},
		"compressed": {func(s *script) { s.begin(); s.WriteData(1, false, []byte{1, 0, 0, 0, 0}) }, 0,
			codes.Internal, "0x1"},
		"too large": {func(s *script) { s.begin(); s.WriteData(1, false, []byte{0, 255, 255, 255, 255}) }, 0,
			codes.ResourceExhausted, "larger than max"},
		"no message": {func(s *script) { s.begin(); s.WriteData(1, false, []byte{0, 0, 0, 0, 1, 0xff}) }, 0,
			codes.Internal, "unmarshal"},
		"more than a window": {func(s *script) {
			s.begin()
			s.WriteData(1, false, []byte{0, 0, most >> 17, 0, 0}) // of which nothing is ever whole
			for range 3 * windowBytes / frameBytes {
				s.WriteData(3, false, make([]byte, frameBytes))
			}
		}, 0, codes.Unavailable, "stream 3, which is none"},
		"a frame too large": {func(s *script) { s.begin(); s.WriteData(1, false, make([]byte, frameBytes+1)) }, 0,
			codes.Unavailable, "frame too large"},
		"a stream of its own": {func(s *script) { s.headers(2, false, ":status", "200") }, 0, codes.Unavailable,
			"stream 2, which is none"},
		"a push": {func(s *script) {
			s.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true})
		},
			0, codes.Unavailable, ""},
		"a reset": {func(s *script) { s.begin(); s.WriteRSTStream(1, http2.ErrCodeRefusedStream) }, 0,
			codes.Unavailable, "REFUSED"},
		"goes away": {func(s *script) { s.WriteGoAway(0, http2.ErrCodeNo, nil) }, 0, codes.Unavailable, "goes away"},
		"endless headers": {func(s *script) {
			s.begin()
			var many []string
			for i := range 2000 {
				many = append(many, fmt.Sprintf("header-%d", i), strings.Repeat("x", 10))
			}
			s.headers(1, true, many...)
		}, 0, codes.Unavailable, ""},
		"a window beyond all": {func(s *script) {
			s.begin()
			s.WriteWindowUpdate(1, 1<<31-1)
			s.WriteWindowUpdate(1, 1<<31-1)
		}, 0, codes.Unavailable, "window is too large"},
		"headers twice": {func(s *script) { s.begin(); s.headers(1, false, ":status", "200") }, 0,
			codes.Internal, "twice"},
		"a flood of pings": {func(s *script) {
			s.begin()
			for range 10_000 {
				s.WritePing(false, [8]byte{})
				s.WriteSettings()
			}
			s.WriteData(1, false, message(5))
		}, 1, codes.Unavailable, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript()
			tt.say(s)
			messages, err := received(t, s.Bytes())
			if messages != tt.messages || status.Code(err) != tt.code || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("%d messages, then %v; want %d, then %v with %q", messages, err, tt.messages, tt.code,
					tt.words)
			}
		})
	}
}

// What a call has not received is never more than its window, whatever the server sends.
func TestAServerThatIgnoresTheWindow(t *testing.T) {
	s := newScript()
	s.begin()
	for range 3 * windowBytes / frameBytes {
		s.WriteData(1, false, make([]byte, frameBytes)) // empty messages
	}
	near, far := pair(t)
	defer far.Close()
	c, err := New(near, Options{MaxMessageBytes: most, MaxHeaderBytes: 16 << 10, WindowBytes: windowBytes})
	must(t, err)
	defer c.Close()
	_, err = bulkheadv1.NewHandlerServiceClient(c).Serve(t.Context()) // and nobody receives
	must(t, err)
	go func() { _, _ = io.Copy(io.Discard, far) }() // ends with the connection
	far.SetWriteDeadline(time.Now().Add(patience))
	_, _ = far.Write(s.Bytes()) // it fails when the connection is closed
	<-c.done
	if c.over == nil || !strings.Contains(c.over.Error(), "more than there is room for") {
		t.Errorf("the connection ended with %v", c.over)
	}
}

// FuzzServer: whatever a server says, the call ends with the connection, and without a panic.
func FuzzServer(f *testing.F) {
	s := newScript()
	s.begin()
	s.WriteData(1, false, message(10))
	s.WritePing(false, [8]byte{1})
	s.WriteWindowUpdate(1, 10)
	s.headers(1, true, "grpc-status", "3", "grpc-message", "%zz", "grpc-status-details-bin", "AAAA")
	f.Add(s.Bytes())
	other := newScript()
	other.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
	other.headers(1, false, ":status", "200")
	other.WriteDataPadded(1, false, message(1)[:4], make([]byte, 9))
	other.WriteData(1, false, message(1)[4:])
	other.WriteRSTStream(1, http2.ErrCodeCancel)
	other.WriteGoAway(1, http2.ErrCodeNo, []byte("so"))
	f.Add(other.Bytes())
	f.Add([]byte("HTTP/1.1 200 OK\r\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		if _, err := received(t, said); err == nil {
			t.Error("the call has not ended")
		}
	})
}
