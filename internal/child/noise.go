package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// noiseBurst and noisePerSecond bound what a child may write that nobody asked for,
	// in bytes: to its log, to stdout and to go-plugin's stream of it. What is beyond the
	// log's own limits is thrown away, but it must be read for that. Honest children stay
	// far below: a crash of Go's runtime with a thousand goroutines is less than 1 MiB.
	noiseBurst     = 8 << 20
	noisePerSecond = 256 << 10
)

// The streams that go-plugin opens when it connects to a child.
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

// guard watches over the streams that go-plugin opens for itself. It is the stream
// interceptor of the connection.
//
// The broker, by which the two sides could open further connections, nobody uses here.
// go-plugin would keep whatever comes over it, for ever and without bound
// (GRPCBroker.Run), so a child that says a word there is killed before go-plugin hears it.
func (c *Child) guard(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := next(ctx, desc, cc, method, opts...)
	switch {
	case err != nil && method == stdioMethod:
		// A child that dies while go-plugin connects to it cancels the stream, and go-plugin
		// then forgets its connection without closing it, unless the error is UNAVAILABLE
		// (newGRPCClient, newGRPCStdioClient).
		return nil, status.Error(codes.Unavailable, err.Error())
	case err != nil:
		return nil, err
	case method == stdioMethod:
		return watched{stream, func(m any) error {
			if m, ok := m.(proto.Message); ok {
				c.proc.hear(proto.Size(m))
			}
			return nil
		}}, nil
	case method == brokerMethod:
		return watched{stream, func(any) error {
			c.proc.killFor(reason{bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL,
				"it spoke to go-plugin's broker, which nobody uses"})
			return errBroker
		}}, nil
	default:
		return stream, nil
	}
}

var errBroker = errors.New("the child spoke to the broker")

// watched is a stream whose messages somebody looks at before its reader does.
type watched struct {
	grpc.ClientStream
	look func(m any) error
}

func (w watched) RecvMsg(m any) error {
	if err := w.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	return w.look(m)
}
