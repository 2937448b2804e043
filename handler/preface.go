package handler

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// preface is what every HTTP/2 client sends first (RFC 9113, section 3.4).
var preface = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

// tlsHandshake is the first byte of a TLS connection.
const tlsHandshake = 0x16

// What load balancers put before the first byte of a client when they are told to.
var (
	proxyV1 = []byte("PROXY ")
	proxyV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// http1Answer is for whoever points a browser or a health check at the port.
const http1Answer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
	"This is a Bulkhead collector: it speaks gRPC (HTTP/2) with bulkhead clients.\n"

// readPreface reads the first bytes of a client and returns what is wrong with them.
// The right ones are there to be read again.
func readPreface(c *clientConn, deadline time.Time) *violation {
	if err := c.SetReadDeadline(deadline); err != nil {
		return lost("the connection was gone before its first byte: %v", err)
	}
	got := make([]byte, 0, len(preface))
	buf := make([]byte, len(preface))
	for len(got) < len(preface) {
		n, err := c.Read(buf[:len(preface)-len(got)])
		got = append(got, buf[:n]...)
		if !bytes.HasPrefix(preface, got) {
			return wrongPreface(c, got)
		}
		if len(got) < len(preface) && err != nil {
			return cutPreface(got, err)
		}
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return lost("the connection was gone after its first bytes: %v", err)
	}
	c.unread(got)
	return nil
}

// wrongPreface returns a violation that says what the bytes look like instead.
func wrongPreface(c *clientConn, got []byte) *violation {
	for _, method := range []string{"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ",
		"TRACE "} {
		if bytes.HasPrefix(got, []byte(method)) {
			answerHTTP1(c)
			return broken(connectionRefused, "client speaks HTTP/1 (%q); this port speaks gRPC (HTTP/2)", method)
		}
	}
	if got[0] == tlsHandshake {
		// No alert of TLS says this; words in plain do, in those of every TLS library: "wrong
		// version number", "first record does not look like a TLS handshake".
		answerHTTP1(c)
		return broken(connectionRefused, "client speaks TLS; this port speaks gRPC without TLS")
	}
	for _, header := range [][]byte{proxyV1, proxyV2} {
		if bytes.HasPrefix(got, header) || len(got) > 2 && bytes.HasPrefix(header, got) {
			return broken(connectionRefused,
				"a proxy sent the PROXY protocol's header before the client's first byte; it must not")
		}
	}
	return broken(connectionRefused, "client does not speak gRPC: its first bytes are %q", got)
}

// answerHTTP1 answers and lets the answer arrive: closing with unread input would
// reset the connection. Errors do not matter, the connection is refused anyway.
func answerHTTP1(c *clientConn) {
	deadline := time.Now().Add(time.Second)
	_ = c.SetDeadline(deadline)
	if _, err := io.WriteString(c, http1Answer); err != nil {
		return
	}
	_ = c.CloseWrite()
	_, _ = io.CopyN(io.Discard, c, 64<<10)
}

// cutPreface explains a first read that failed.
func cutPreface(got []byte, err error) *violation {
	what := fmt.Sprintf("after %d of the %d bytes that begin HTTP/2", len(got), len(preface))
	if len(got) == 0 {
		what = "without a byte"
	}
	if isTimeout(err) {
		return tooSlow("client connected and fell silent %s", what)
	}
	if errors.Is(err, io.EOF) || isReset(err) {
		return closedByClient("client closed the connection %s", what)
	}
	return lost("the connection broke %s: %v", what, err)
}

func lost(format string, args ...any) *violation {
	return &violation{class: bulkheadv1.EndClass_END_CLASS_CONNECTION_LOST, code: codes.Unavailable,
		text: fmt.Sprintf(format, args...)}
}

// closedByClient returns the violation of a connection that the client's machine, as a rule the
// client, ended.
func closedByClient(format string, args ...any) *violation {
	return &violation{class: bulkheadv1.EndClass_END_CLASS_CLOSED_BY_CLIENT, code: codes.Unavailable,
		text: fmt.Sprintf(format, args...)}
}

// silent returns the violation of a client that fell silent.
func silent(format string, args ...any) *violation {
	return &violation{class: bulkheadv1.EndClass_END_CLASS_SILENT, code: codes.Unavailable,
		text: fmt.Sprintf(format, args...)}
}

// transport returns the violation of a connection whose HTTP/2 or gRPC framing cannot continue. The
// session may continue over another connection.
func transport(format string, args ...any) *violation {
	return &violation{class: bulkheadv1.EndClass_END_CLASS_TRANSPORT, code: codes.Unavailable,
		reason: connectionRefused, text: fmt.Sprintf(format, args...)}
}

// streamEnded returns the violation of a stream that the client ended, on a connection that stands.
func streamEnded(format string, args ...any) *violation {
	return &violation{class: bulkheadv1.EndClass_END_CLASS_STREAM_ENDED, code: codes.Unavailable,
		text: fmt.Sprintf(format, args...)}
}

func tooSlow(format string, args ...any) *violation {
	return &violation{class: bulkheadv1.EndClass_END_CLASS_TIMEOUT, code: codes.DeadlineExceeded,
		reason: bulkheadv1.Reason_REASON_HELLO_OVERDUE, text: fmt.Sprintf(format, args...)}
}
