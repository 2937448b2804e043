package child

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// noiseBurst and noisePerSecond bound what a child may write that nobody asked for,
	// in bytes: to its log and to stdout. What is beyond the log's own limits is thrown away, but
	// it must be read for that. Honest children stay far below: a crash of Go's runtime with a
	// thousand goroutines is less than 1 MiB.
	noiseBurst     = 8 << 20
	noisePerSecond = 256 << 10
)

// The streams that go-plugin would open when it connects to a child.
const (
	stdioMethod  = "/plugin.GRPCStdio/StreamStdio"
	brokerMethod = "/plugin.GRPCBroker/StartStream"
)

func newNoise() *rate.Limiter { return rate.NewLimiter(noisePerSecond, noiseBurst) }

// hear takes note of n bytes of noise, and kills a child that makes too much of it.
func (p *process) hear(n int) {
	if !p.noise.AllowN(time.Now(), n) {
		p.killFor(reason{bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL,
			fmt.Sprintf("it flooded its log with more than %d MiB", noiseBurst>>20)})
	}
}

// overheard is a reader of what a child writes, which counts as noise.
type overheard struct {
	io.ReadCloser
	by *process
}

func (o overheard) Read(b []byte) (int, error) {
	n, err := o.ReadCloser.Read(b)
	o.by.hear(n)
	return n, err
}

// await waits until Read has something to return.
func (o overheard) await() {
	f, ok := o.ReadCloser.(*os.File)
	if !ok {
		return
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return // Read says why
	}
	_ = raw.Read(func(fd uintptr) bool { // an error is Read's to return
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n != 0 || err != nil
	})
}

// guard is the stream interceptor of the connection. It does not let go-plugin open the streams
// that it opens to every child for itself, and takes no for an answer to:
//
// what the child prints, which this package reads itself, with limits; and the broker, by which the
// two sides could open further connections, and which nobody uses here. go-plugin would keep
// whatever comes over it, for ever and without bound (GRPCBroker.Run). So no child is heard there,
// and none is asked, which would take two calls of every start.
func guard(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer,
	opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if method == stdioMethod || method == brokerMethod {
		return nil, status.Error(codes.Unimplemented, method+" is not used here") // as if the child had said so
	}
	return next(ctx, desc, cc, method, opts...)
}
