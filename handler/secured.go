package handler

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/net/http2"

	"bulkhead/handler/secure"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const tlsFailed = bulkheadv1.Reason_REASON_TLS_FAILED

// hop is what the supervisor answers a TLS handshake. Each holds one: there is no second.
type hop struct {
	secure chan *bulkheadv1.Secure
	signed chan []byte
}

func newHop() hop {
	return hop{secure: make(chan *bulkheadv1.Secure, 1), signed: make(chan []byte, 1)}
}

// take takes a frame, if it is an answer to a handshake.
func (h hop) take(f *bulkheadv1.SupervisorFrame) bool {
	switch f := f.GetFrame().(type) {
	case *bulkheadv1.SupervisorFrame_Secure:
		select {
		case h.secure <- f.Secure:
		default:
		}
	case *bulkheadv1.SupervisorFrame_Signature:
		select {
		case h.signed <- f.Signature.GetSignature():
		default:
		}
	default:
		return false
	}
	return true
}

// beginTLS begins TLS with the client of conn, which has said nothing yet, and returns what is wrong
// if that comes to nothing. What proves who the client is goes to the supervisor.
func beginTLS(ctx context.Context, conn *clientConn, helloBy time.Time, r *relay) *violation {
	first, v := firstByte(ctx, conn, helloBy)
	if v != nil {
		return v
	}
	if first != tlsHandshake {
		conn.unread(append([]byte{first}, whatCame(conn)...))
		return withoutTLS(conn, helloBy)
	}
	hasty, cancel := context.WithDeadline(ctx, helloBy)
	defer cancel()
	var s *bulkheadv1.Secure
	select {
	case s = <-r.hop.secure:
	case <-hasty.Done():
		return noHandshake(ctx, hasty.Err())
	}
	sign := func(ask *bulkheadv1.Sign) ([]byte, error) {
		r.setSign(ask)
		defer r.setSign(nil)
		select {
		case signature := <-r.hop.signed:
			return signature, nil
		case <-hasty.Done():
			return nil, hasty.Err()
		}
	}
	raw := conn.Conn
	over, proof, err := secure.Handshake(hasty, &firstRead{raw, []byte{first}}, s, sign)
	if err != nil {
		letRead(raw)
		return noHandshake(ctx, err)
	}
	conn.Conn = over // nobody else reads or writes yet
	if proof != nil {
		r.setProof(proof)
	}
	return nil
}

// firstByte reads the first byte of a client, but not for longer than until ctx is done.
func firstByte(ctx context.Context, conn *clientConn, deadline time.Time) (byte, *violation) {
	if err := conn.SetReadDeadline(deadline); err != nil {
		return 0, lost("the connection was gone before its first byte: %v", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	first := make([]byte, 1)
	_, err := io.ReadFull(conn, first)
	if !stop() {
		return 0, orphaned(ctx)
	}
	if err != nil {
		return 0, cutPreface(nil, err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return 0, lost("the connection was gone after its first byte: %v", err)
	}
	return first[0], nil
}

// whatCame returns what of a client's first bytes is there behind the one that was read: by it the
// client is told what it speaks.
func whatCame(conn *clientConn) []byte {
	_ = conn.SetReadDeadline(time.Now().Add(lastWords)) // it is given up anyway
	rest := make([]byte, len(preface)-1)
	n, _ := conn.Read(rest) // an error comes again
	return rest[:n]
}

// firstRead is a connection of which something was read.
type firstRead struct {
	net.Conn
	ahead []byte
}

func (c *firstRead) Read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// withoutTLS tells a client that does not speak TLS that it must.
func withoutTLS(conn *clientConn, deadline time.Time) *violation {
	if v := readPreface(conn, deadline); v != nil {
		return v
	}
	v := broken(tlsFailed, "client speaks gRPC without TLS; this port speaks TLS alone")
	_ = conn.SetDeadline(time.Now().Add(lastWords)) // it is given up anyway
	// Without SETTINGS it is a connection that was never made, before whose next try every library
	// waits.
	words := []byte("the supervisor speaks TLS alone")
	if http2.NewFramer(conn.Conn, nil).WriteGoAway(1, http2.ErrCodeInadequateSecurity, words) == nil {
		letRead(conn.Conn)
	}
	return v
}

// letRead lets the last words on a connection arrive: closing with unread input would reset it.
func letRead(raw net.Conn) {
	_ = raw.SetDeadline(time.Now().Add(lastWords))
	if half, ok := raw.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, raw, 64<<10)
	}
}

// noHandshake returns why a handshake came to nothing. ctx is that of the connection.
func noHandshake(ctx context.Context, err error) *violation {
	switch {
	case ctx.Err() != nil:
		return orphaned(ctx)
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return tooSlow("client did not end its TLS handshake in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), isReset(err):
		return closedByClient("client closed the connection in its TLS handshake")
	default:
		return broken(tlsFailed, "the TLS handshake failed: %s", handshakeWords(err))
	}
}

// handshakeWords returns an error of package tls for those who know whose words they are.
func handshakeWords(err error) string {
	text := err.Error()
	if words, ok := strings.CutPrefix(text, "remote error: tls: "); ok {
		return "the client refused with " + words
	}
	return strings.TrimPrefix(strings.TrimPrefix(text, "local error: "), "tls: ")
}
