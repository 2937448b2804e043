package conformance

import (
	"io"
	"math"
	"net"
	"time"

	"golang.org/x/net/http2"
)

const (
	// turnAwayPause lets a client open its stream, so that it learns of the GOAWAY there.
	turnAwayPause = 100 * time.Millisecond
	// turnAwayTimeout bounds how long a client may take to hang up.
	turnAwayTimeout = 2 * time.Second
)

// turnAway answers a connection as an overloaded supervisor does, before any stream: SETTINGS,
// then GOAWAY with the reason as debug data. Errors mean that the client is gone.
func turnAway(socket *net.TCPConn) {
	defer socket.Close()
	socket.SetDeadline(time.Now().Add(turnAwayTimeout))
	framer := http2.NewFramer(socket, nil)
	if framer.WriteSettings() != nil {
		return
	}
	time.Sleep(turnAwayPause)
	if framer.WriteGoAway(math.MaxInt32, http2.ErrCodeNo,
		[]byte("too many connections have not said Hello; retry after 1s")) != nil {
		return
	}
	socket.CloseWrite()
	_, _ = io.Copy(io.Discard, socket)
}
