package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"

	"bulkhead/client/outbox"
	"bulkhead/client/route"
	"bulkhead/internal/config"
	"bulkhead/internal/linkzone"
)

const (
	// pingAfter is how long a silent connection goes without a ping, and how long
	// the answer may take; the supervisor allows a ping every 5 s.
	pingAfter = 10 * time.Second
	// dialTimeout bounds one TCP connect.
	dialTimeout = 5 * time.Second
	// serverFrameMaxBytes bounds a ServerFrame; they are small.
	serverFrameMaxBytes = 1 << 20
	// windowBytes is how much the supervisor's side may send that was not read yet. By
	// default gRPC finds that out by a ping for each frame, which costs more than the frame does.
	windowBytes = 256 << 10
)

// dialled is one connection and what is known of it beside its stream.
type dialled struct {
	channel *grpc.ClientConn
	wire    *wire
	// answered says that a status came over the wire; otherwise it is gRPC's own.
	answered atomic.Bool
}

// dial makes a gRPC channel that uses a TCP connection to a target and no other: no resolver,
// proxy setting or reconnect of gRPC's own is involved, so an error is what the system said, and
// another connection may do better. heard is called whenever the supervisor's side sends something.
func dial(ctx context.Context, socket net.Conn, to route.Target, tls config.ClientTLS,
	heard func(at time.Time)) (*dialled, error) {
	d := &dialled{wire: &wire{Conn: socket, socket: socket, heard: heard}}
	var err error
	if tls.CA != "" {
		if d.wire.Conn, err = secure(ctx, socket, hostOf(to.Prove), tls); err != nil {
			socket.Close()
			return nil, err
		}
	}
	var used atomic.Bool
	// the address may have a zone, which no URL takes as it is
	d.channel, err = grpc.NewClient("passthrough:///supervisor",
		grpc.WithAuthority(authorityOf(to.Address)),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if used.Swap(true) {
				return nil, errors.New("the connection broke")
			}
			return d.wire, nil
		}),
		grpc.WithNoProxy(),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableHealthCheck(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingAfter}),
		grpc.WithStatsHandler(answers{d}),
		grpc.WithMaxHeaderListSize(64<<10),
		grpc.WithStaticStreamWindowSize(windowBytes), grpc.WithStaticConnWindowSize(windowBytes),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(serverFrameMaxBytes),
			// What may be sent is the supervisor's to say: Limits.max_frame_bytes.
			grpc.MaxCallSendMsgSize(outbox.FrameMaxBytes),
			grpc.ForceCodecV2(newCodec()),
		),
	)
	if err != nil {
		socket.Close()
		return nil, final{fmt.Errorf("preparing the connection: %w", err)}
	}
	return d, nil
}

// authorityOf returns an address as HTTP/2 names it: without the zone of an IPv6 address, which
// means something on this machine alone (RFC 6874).
func authorityOf(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return net.JoinHostPort(hostOf(address), port)
}

// hostOf returns the host of an address without a zone.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	host, _, _ = strings.Cut(host, "%")
	return host
}

// answers notices the status of the one stream of a connection.
type answers struct{ of *dialled }

func (answers) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (answers) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (answers) HandleConn(context.Context, stats.ConnStats)                       {}

func (a answers) HandleRPC(_ context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.InTrailer); ok {
		a.of.answered.Store(true)
	}
}

// dialError takes the words of the system out of a dial error; the address is said
// elsewhere.
func dialError(err error, address string) error {
	var code syscall.Errno
	if zone := linkzone.Missing(address); zone != "" {
		return fmt.Errorf("this machine has no network interface %s now", zone)
	}
	if errors.As(err, &code) {
		return code
	}
	var resolve *net.DNSError
	if errors.As(err, &resolve) {
		return fmt.Errorf("looking up %s: %s", resolve.Name, resolve.Err)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("no answer to the connect")
	}
	return err
}
