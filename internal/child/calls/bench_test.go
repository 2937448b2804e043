package calls

import (
	"net"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// BenchmarkCalls has answers of so many bytes come over a call, each asked for by a small message,
// 16 on their way: by a connection of this package, and by one of gRPC's. cpu-µs is the processor time
// of both sides.
func BenchmarkCalls(b *testing.B) {
	for _, size := range []uint64{200, 25_000} {
		for _, by := range []string{"ours", "gRPC's"} {
			b.Run(by+"/"+strconv.FormatUint(size, 10), func(b *testing.B) { benchmark(b, by == "ours", size) })
		}
	}
}

func benchmark(b *testing.B, ours bool, size uint64) {
	l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	must(b, err)
	srv := grpc.NewServer(grpc.StaticConnWindowSize(windowBytes), grpc.StaticStreamWindowSize(windowBytes))
	bulkheadv1.RegisterHandlerServiceServer(srv, &echo{ended: make(chan error, 1)})
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(l) }() // says only that it was stopped
	defer func() { srv.Stop(); <-served }()
	var cc grpc.ClientConnInterface
	if ours {
		conn, err := net.Dial("unix", l.Addr().String())
		must(b, err)
		c, err := New(conn, Options{MaxMessageBytes: most, MaxHeaderBytes: 16 << 10, WindowBytes: windowBytes})
		must(b, err)
		defer c.Close()
		cc = c
	} else {
		c, err := grpc.NewClient("unix:"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithStaticConnWindowSize(windowBytes), grpc.WithStaticStreamWindowSize(windowBytes),
			grpc.WithWriteBufferSize(2<<10))
		must(b, err)
		defer c.Close()
		cc = c
	}
	s, err := bulkheadv1.NewHandlerServiceClient(cc).Serve(b.Context())
	must(b, err)
	const window = 16
	for range window {
		must(b, s.Send(ack(size)))
	}
	before := processorTime()
	b.ResetTimer()
	for range b.N {
		_, err := s.Recv()
		must(b, err)
		must(b, s.Send(ack(size)))
	}
	b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// processorTime returns that of this process.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
