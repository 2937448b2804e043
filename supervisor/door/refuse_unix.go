package door

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// maxFarewells bounds the refused connections that are given time to read why.
	maxFarewells = 64
	// farewellPatience is how long a refused client may take to open its stream, which a
	// gRPC client does at once.
	farewellPatience = time.Second
	// farewellTimeout bounds a refused connection from end to end.
	farewellTimeout = 2 * time.Second
	// farewellBytes bounds what a refused client may still send.
	farewellBytes = 64 << 10
	// firstStream is the first stream of every client that opens one (RFC 9113, 5.1.1).
	firstStream = 1
)

// Farewell refuses connections with a reason, before any handler. What a client sends
// is thrown away; all that is looked at is whether it has opened a stream (see opening).
//
// A client gets an empty SETTINGS frame and, when it has opened its stream, the status
// UNAVAILABLE on it, with the reason and a google.rpc.RetryInfo, as a server would
// answer. Then comes a GOAWAY. One that opens none gets the GOAWAY alone.
//
// The GOAWAY says NO_ERROR and names the stream as the last one, which leaves it to end
// with the connection. So every gRPC library makes UNAVAILABLE of it, also for a client
// that opens its stream too late to be answered: ENHANCE_YOUR_CALM is RESOURCE_EXHAUSTED
// to grpc-js, and a GOAWAY after stream 0 makes grpc-go, grpc-js and gRPC's C core connect
// again at once. A status on a stream that is not open yet would break the connection,
// with INTERNAL in grpc-js.
//
// When many are on their way already, further ones get the GOAWAY at once and no time. It
// comes without SETTINGS, so that the connection counts as one that was never made, before
// whose next try every library waits: after SETTINGS, gRPC's C core connects again at once,
// a thousand times a second. Our clients read the reason all the same.
type Farewell struct {
	slots chan struct{} // holds one for each connection on its way
	wg    sync.WaitGroup
}

// NewFarewell returns a Farewell that nobody is on the way through.
func NewFarewell() *Farewell {
	return &Farewell{slots: make(chan struct{}, maxFarewells)}
}

// Refuse ends conn and takes it over; it never blocks. A refusal under way ends
// early with ctx.
func (f *Farewell) Refuse(ctx context.Context, conn *net.TCPConn, no *Refusal) {
	select {
	case f.slots <- struct{}{}:
		f.wg.Go(func() { // ends within farewellTimeout
			defer func() { <-f.slots }()
			sayWhy(ctx, conn, no)
		})
	default:
		RefuseAtOnce(conn, no)
	}
}

// Wait returns when no refusal is under way.
func (f *Farewell) Wait() { f.wg.Wait() }

// RefuseAtOnce writes what fits into the socket's empty buffer, which all of it
// does, and closes conn.
func RefuseAtOnce(conn *net.TCPConn, no *Refusal) {
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return // it is closed
	}
	frames := goAway(firstStream, no)
	_ = raw.Write(func(fd uintptr) bool { // one try: who cannot be told is not told
		_, _ = unix.SendmsgN(int(fd), frames, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		return true
	})
}

// sayWhy refuses conn with time to read why: it closes its half and waits for the
// client to close the other. Closing both while there is something unread would
// reset the connection (RFC 1122, 4.2.2.13) and could take the text away.
func sayWhy(ctx context.Context, conn *net.TCPConn, no *Refusal) {
	defer conn.Close()
	// Errors mean that the client is gone.
	begin := time.Now()
	if conn.SetWriteDeadline(begin.Add(farewellTimeout)) != nil ||
		conn.SetReadDeadline(begin.Add(farewellPatience)) != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(settings()); err != nil {
		return
	}
	frames := goAway(firstStream, no)
	if stream := awaitStream(conn); stream != 0 {
		frames = append(unavailable(stream, no), goAway(stream, no)...)
	}
	if _, err := conn.Write(frames); err != nil {
		return
	}
	if conn.CloseWrite() != nil {
		return
	}
	if ctx.Err() != nil || conn.SetReadDeadline(begin.Add(farewellTimeout)) != nil || ctx.Err() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, conn, farewellBytes)
}

// awaitStream returns the stream that the client opens; 0 if it opens none before the
// read deadline, or sends what no HTTP/2 client does.
func awaitStream(conn net.Conn) uint32 {
	var o opening
	piece := make([]byte, 4<<10)
	for taken := 0; taken < farewellBytes; {
		n, err := conn.Read(piece)
		if stream, more := o.take(piece[:n]); !more {
			return stream
		}
		if err != nil {
			return 0
		}
		taken += n
	}
	return 0
}

// frames returns the bytes of the HTTP/2 frames that write writes.
func frames(write func(*http2.Framer)) []byte {
	var b bytes.Buffer
	write(http2.NewFramer(&b, nil))
	return b.Bytes()
}

// settings returns an empty SETTINGS frame, which a server must send first
// (RFC 9113, 3.4).
func settings() []byte {
	return frames(func(f *http2.Framer) { _ = f.WriteSettings() }) // nothing fails in memory
}

// goAway returns a GOAWAY (RFC 9113, 6.8) after stream, with the reason as debug data.
func goAway(stream uint32, no *Refusal) []byte {
	return frames(func(f *http2.Framer) { _ = f.WriteGoAway(stream, http2.ErrCodeNo, []byte(no.String())) })
}

// unavailable ends stream with the status UNAVAILABLE: a gRPC response of trailers alone,
// and a RST_STREAM, without which gRPC's C core waits for the client's own end of the
// stream (RFC 9113, 8.1).
func unavailable(stream uint32, no *Refusal) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, h := range [][2]string{
		{":status", "200"},
		{"content-type", "application/grpc"},
		{"grpc-status", fmt.Sprint(uint32(codes.Unavailable))},
		{"grpc-message", percentEncoded(no.String())},
		{"grpc-status-details-bin", base64.RawStdEncoding.EncodeToString(no.details())},
	} {
		// Never indexed, so that the client's table may have any size.
		_ = encoder.WriteField(hpack.HeaderField{Name: h[0], Value: h[1], Sensitive: true})
	}
	return frames(func(f *http2.Framer) {
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true,
			EndStream: true})
		_ = f.WriteRSTStream(stream, http2.ErrCodeNo)
	})
}

// details returns the status in full, encoded.
func (r *Refusal) details() []byte {
	st, err := status.New(codes.Unavailable,
		r.String()).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(r.RetryAfter)})
	if err != nil {
		return nil // the text says it too
	}
	b, _ := proto.Marshal(st.Proto()) // valid UTF-8 cannot fail
	return b
}

// percentEncoded returns text as grpc-message has it (gRPC's PROTOCOL-HTTP2.md).
func percentEncoded(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
