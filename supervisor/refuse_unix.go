package supervisor

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"
)

const (
	// maxFarewells bounds the refused connections that are given time to read why.
	maxFarewells = 64
	// farewellPause is the time between the two frames that a refused client gets.
	farewellPause = 100 * time.Millisecond
	// farewellTimeout bounds a refused connection from end to end.
	farewellTimeout = 2 * time.Second
	// farewellBytes bounds what a refused client may still send.
	farewellBytes = 64 << 10
)

// farewell refuses connections with a text, before any handler. What a client sends
// is thrown away, never looked at.
//
// A client gets an empty SETTINGS frame and, a moment later, a GOAWAY with the text.
// The moment lets a gRPC client open its stream, which the GOAWAY, naming stream 1
// as the last one, leaves to end with the connection: only then does grpc-go put the
// text into the error of the stream. A GOAWAY that came at once, or named stream 0,
// would make it connect again at once, in a loop, and throw the text away
// (http2_client.go: handleGoAway, Close).
//
// When many are on their way already, further ones get both frames at once and no
// time.
type farewell struct {
	slots chan struct{} // holds one for each connection on its way
	wg    sync.WaitGroup
}

func newFarewell() *farewell {
	return &farewell{slots: make(chan struct{}, maxFarewells)}
}

// refuse ends conn and takes it over; it never blocks. A refusal under way ends
// early with ctx.
func (f *farewell) refuse(ctx context.Context, conn *net.TCPConn, text string) {
	select {
	case f.slots <- struct{}{}:
		f.wg.Go(func() { // ends within farewellTimeout
			defer func() { <-f.slots }()
			sayWhy(ctx, conn, text)
		})
	default:
		refuseAtOnce(conn, text)
	}
}

// wait returns when no refusal is under way.
func (f *farewell) wait() { f.wg.Wait() }

// refuseAtOnce writes what fits into the socket's empty buffer, which all of it
// does, and closes conn.
func refuseAtOnce(conn *net.TCPConn, text string) {
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return // it is closed
	}
	frames := append(settingsFrame(), goAwayFrame(text)...)
	_ = raw.Write(func(fd uintptr) bool { // one try: who cannot be told is not told
		_, _ = unix.SendmsgN(int(fd), frames, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		return true
	})
}

// sayWhy refuses conn with time to read why: it closes its half and waits for the
// client to close the other. Closing both while there is something unread would
// reset the connection (RFC 1122, 4.2.2.13) and could take the text away.
func sayWhy(ctx context.Context, conn *net.TCPConn, text string) {
	defer conn.Close()
	// Errors mean that the client is gone.
	if conn.SetDeadline(time.Now().Add(farewellTimeout)) != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(settingsFrame()); err != nil {
		return
	}
	pause(ctx, farewellPause)
	if _, err := conn.Write(goAwayFrame(text)); err != nil {
		return
	}
	if conn.CloseWrite() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, conn, farewellBytes)
}

// settingsFrame is an empty SETTINGS frame, which a server must send first
// (RFC 9113, 3.4).
func settingsFrame() []byte { return frameHeader(0, http2.FrameSettings) }

// goAwayFrame is a GOAWAY (RFC 9113, 6.8) after stream 1, ENHANCE_YOUR_CALM, with
// text as debug data.
func goAwayFrame(text string) []byte {
	b := frameHeader(8+len(text), http2.FrameGoAway)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(http2.ErrCodeEnhanceYourCalm))
	return append(b, text...)
}

// frameHeader begins a frame on stream 0 without flags (RFC 9113, 4.1).
func frameHeader(length int, kind http2.FrameType) []byte {
	return []byte{byte(length >> 16), byte(length >> 8), byte(length), byte(kind), 0, 0, 0, 0, 0}
}
