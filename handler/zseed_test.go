package handler

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/collect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

type rec struct {
	net.Conn
	mu  *sync.Mutex
	buf *bytes.Buffer
}

func (r rec) Write(p []byte) (int, error) { r.mu.Lock(); r.buf.Write(p); r.mu.Unlock(); return r.Conn.Write(p) }

func capture(t *testing.T, do func(s *served, c *collect.Client)) []byte {
	s := serve(t, nil)
	var buf bytes.Buffer
	var mu sync.Mutex
	c := s.dial(grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := net.Dial("tcp", addr)
		return rec{conn, &mu, &buf}, err
	}))
	do(s, c)
	s.finish(&bulkheadv1.Finish{})
	s.end()
	mu.Lock()
	defer mu.Unlock()
	return bytes.Clone(buf.Bytes())
}

func TestZSeed(t *testing.T) {
	write := func(name string, pre bool, data []byte) {
		os.MkdirAll("testdata/fuzz/FuzzClientBytes", 0o755)
		os.WriteFile("testdata/fuzz/FuzzClientBytes/"+name, []byte(fmt.Sprintf("go test fuzz v1\nbool(%v)\n[]byte(%s)\n", pre, strconv.Quote(string(data)))), 0o644)
	}
	h := collect.Hello("alpha")
	h.ClientId = []byte("0123456789abcdef")
	session := capture(t, func(s *served, c *collect.Client) {
		s.welcome(0)
		c.Greet(h); s.next()
		c.SendBatch(1, 3); s.next()
		c.Goodbye(3); s.next()
	})
	hello := capture(t, func(s *served, c *collect.Client) { s.welcome(0); c.Greet(h); s.next() })
	gap := capture(t, func(s *served, c *collect.Client) {
		s.welcome(0)
		c.Greet(h); s.next()
		c.SendBatch(2, 3)
		s.end()
	})
	strip := func(b []byte) []byte { if !bytes.HasPrefix(b, preface) { t.Fatal("?") }; return b[len(preface):] }
	write("session", true, strip(session))
	write("hello", true, strip(hello))
	write("gap", true, strip(gap))
	write("settings-and-headers", true, strip(hello)[:100])
	write("half-frame", true, strip(hello)[:12])
	write("no-preface", false, strip(hello))
	write("empty", false, nil)
	write("preface", true, nil)
	write("half-preface", false, preface[:10])
	write("http1", false, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	write("tls", false, []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
	rnd := make([]byte, 300)
	rand.New(rand.NewSource(1)).Read(rnd)
	write("random", false, rnd)
	write("random-after-preface", true, rnd)
	write("oversized-frame", true, append(append([]byte{}, emptySettings...), 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1))
	write("window-overflow", true, append(append([]byte{}, emptySettings...), 0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff))
	write("goaway", true, append(append([]byte{}, emptySettings...), 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	write("pings", true, append(append([]byte{}, emptySettings...), bytes.Repeat([]byte{0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 50)...))
	wb := func(name string, b *bulkheadv1.Batch, next uint64, most uint32) {
		data, _ := proto.Marshal(b)
		os.MkdirAll("testdata/fuzz/FuzzCheckBatch", 0o755)
		os.WriteFile("testdata/fuzz/FuzzCheckBatch/"+name, []byte(fmt.Sprintf("go test fuzz v1\n[]byte(%s)\nuint64(%d)\nuint32(%d)\n", strconv.Quote(string(data)), next, most)), 0o644)
	}
	wb("one", messages(1), 1, 8)
	wb("three", messages(1, 2, 3), 1, 8)
	wb("overlap", messages(1, 2, 3), 3, 8)
	wb("sent-before", messages(1, 2), 9, 8)
	wb("gap-before", messages(5), 3, 8)
	wb("gap-within", messages(1, 3), 1, 8)
	wb("too-many", messages(1, 2, 3), 1, 2)
	wb("empty", messages(), 1, 8)
	wb("zero", messages(0), 1, 8)
	wb("no-fact", changed(func(m *bulkheadv1.Message) { m.Fact = nil }), 5, 8)
	wb("histogram", changed(func(m *bulkheadv1.Message) { m.GetProgress().ChunkWrite.Count = nil }), 5, 8)
	wb("long-path", changed(func(m *bulkheadv1.Message) {
		m.Fact = &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{Path: strings.Repeat("p", 5000)}}
	}), 5, 8)
}
