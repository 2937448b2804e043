package handler

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestReadPreface(t *testing.T) {
	type end uint8
	const (
		open  end = iota // the client stays
		shut             // it sends end-of-file
		reset            // it resets the connection
	)
	for _, tt := range []struct {
		name  string
		sent  string
		end   end
		class bulkheadv1.EndClass // 0 is accepted
		text  string
	}{
		{"the preface", string(preface), open, 0, ""},
		{"the preface and more", string(preface) + "more", open, 0, ""},
		{"the preface and the end", string(preface), shut, 0, ""},
		{"nothing", "", shut, gone, "client closed the connection without a byte"},
		{"a part of the preface", "PRI *", shut, gone,
			"client closed the connection after 5 of the 24 bytes that begin HTTP/2"},
		{"nothing and a reset", "", reset, gone, "client closed the connection without a byte"},
		{"a preface wrong at its end", strings.Replace(string(preface), "SM", "XX", 1), open, breach,
			`its first bytes are "PRI * HTTP/2.0\r\n\r\nXX`},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("r", 32), open, breach,
			"client speaks TLS"},
		{"zeros", strings.Repeat("\x00", 100), open, breach, `its first bytes are "\x00\x00`},
		{"a banner", "SSH-2.0-OpenSSH_9.6\r\n", open, breach, `its first bytes are "SSH-2.0-OpenSSH_9.6\r\n"`},
		{"invalid UTF-8", "\xff\xfe\xfd", open, breach, `its first bytes are "\xff\xfe\xfd"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := socketPair(t)
			_, err := client.Write([]byte(tt.sent))
			must(t, err)
			switch tt.end {
			case shut:
				must(t, client.CloseWrite())
			case reset:
				must(t, client.SetLinger(0))
				must(t, client.Close())
			}
			conn := newClientConn(server)
			code := codes.InvalidArgument
			if tt.class == gone {
				code = codes.Unavailable
			}
			wantViolation(t, readPreface(conn, time.Now().Add(patience)), tt.class, code, tt.text)
			if tt.class != 0 {
				return
			}
			again := make([]byte, len(tt.sent))
			if _, err := io.ReadFull(conn, again); err != nil || string(again) != tt.sent {
				t.Errorf("read again %q, %v; want %q", again, err, tt.sent)
			}
		})
	}
}

// The bytes of one preface may come in any number of packets.
func TestReadPrefaceByteByByte(t *testing.T) {
	client, server := socketPair(t)
	go func() { // ends with the last byte
		for _, b := range preface {
			if _, err := client.Write([]byte{b}); err != nil {
				return
			}
		}
	}()
	conn := newClientConn(server)
	wantViolation(t, readPreface(conn, time.Now().Add(patience)), 0, 0, "")
	if got := conn.received.Load(); got != uint64(len(preface)) {
		t.Errorf("%d bytes were counted; want %d", got, len(preface))
	}
}

func TestHTTP1IsAnswered(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"} {
		t.Run(method, func(t *testing.T) {
			client, server := socketPair(t)
			_, err := io.WriteString(client, method+" /metrics HTTP/1.1\r\nHost: collector\r\n\r\n")
			must(t, err)
			found := make(chan *violation, 1)
			go func() { // ends when the client closes, below
				conn := newClientConn(server)
				defer conn.Close()
				found <- readPreface(conn, time.Now().Add(patience))
			}()
			must(t, client.SetReadDeadline(time.Now().Add(patience)))
			answer, err := io.ReadAll(client)
			must(t, err)
			must(t, client.Close())
			wantViolation(t, <-found, breach, codes.InvalidArgument, `client speaks HTTP/1 ("`+method+` ")`)
			res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)),
				&http.Request{Method: http.MethodGet})
			must(t, err)
			body, err := io.ReadAll(res.Body)
			must(t, err)
			if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "it speaks gRPC") {
				t.Errorf("answered %d %q; want 400 and what to do", res.StatusCode, body)
			}
		})
	}
}

func TestReadPrefaceAfterItsDeadline(t *testing.T) {
	client, server := socketPair(t)
	_, err := client.Write(preface)
	must(t, err)
	v := readPreface(newClientConn(server), time.Now().Add(-time.Second))
	wantViolation(t, v, late, codes.DeadlineExceeded, "fell silent without a byte")
}

// told is a connection that says when something was read from it.
type told struct {
	net.Conn
	read chan int
}

func (c told) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		c.read <- n
	}
	return n, err
}

func TestReadPrefaceThatStops(t *testing.T) {
	client, server := socketPair(t)
	conn := told{server, make(chan int)}
	found := make(chan *violation, 1)
	go func() { found <- readPreface(newClientConn(conn), time.Now().Add(patience)) }()
	_, err := client.Write(preface[:7])
	must(t, err)
	for n := 0; n < 7; {
		n += <-conn.read
	}
	must(t, server.SetReadDeadline(time.Unix(1, 0))) // as the clock would
	wantViolation(t, <-found, late, codes.DeadlineExceeded, "fell silent after 7 of the 24 bytes")
}

func TestReadPrefaceOfAClosedSocket(t *testing.T) {
	_, server := socketPair(t)
	must(t, server.Close())
	v := readPreface(newClientConn(server), time.Now().Add(patience))
	wantViolation(t, v, broke, codes.Unavailable, "gone before its first byte")
}
