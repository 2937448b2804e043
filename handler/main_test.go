package handler

import (
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEntry); role != "" {
		os.Exit(behave(role))
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// socketPair returns a TCP connection over loopback: a client's end and ours.
func socketPair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	s, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// smallLimits returns limits that a test reaches quickly.
func smallLimits() *bulkheadv1.Limits {
	return &bulkheadv1.Limits{MaxFrameBytes: 16 << 10, MaxBatchMessages: 8, MaxUnackedBatches: 4}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
