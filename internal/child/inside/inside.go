// Package inside is the half of package child that runs within the child: it
// serves gRPC services as a go-plugin plugin and ends when the parent says so on the
// line (descriptor 3). When the line ends without a word, the parent is gone: the
// child ends too, or, with Options.Orphaned, goes on for another parent to come.
//
// It also makes the process a good child: its log, JSON of log/slog on stderr, which
// the parent passes on, can neither kill the child (SIGPIPE is ignored) nor keep it
// waiting when nobody reads, and a child whose parent is gone removes its own socket.
package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/keepalive"

	"bulkhead/internal/child"
	"bulkhead/internal/fdpass"
	"bulkhead/internal/logline"
)

// ErrNotChild says that the process was not started by a parent of ours.
var ErrNotChild = errors.New("this program is started by bulkhead, not by hand")

// Options says what a child serves.
type Options struct {
	// Register adds the child's services to its server.
	Register func(*grpc.Server)
	// MaxMessageBytes bounds a gRPC message in either direction; 0 is 4 MiB.
	MaxMessageBytes int
	// Socket is called with every socket the parent hands over; it owns the
	// socket. Nil for a child that takes none.
	Socket func(id uint64, socket net.Conn)
	// Orphaned is called, once, when the parent is gone. Serve then goes on until its
	// ctx is done, so that another process can take the child up. Nil ends Serve.
	Orphaned func()
}

// Serve serves until the parent wants the child to end, or is gone (but see
// Options.Orphaned), or ctx is done, and returns nil then. The caller should end the
// process soon after: go-plugin's server is not stopped. It returns ErrNotChild when
// started by hand.
func Serve(ctx context.Context, o Options) error {
	handshake := child.Handshake()
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		return ErrNotChild
	}
	signal.Ignore(syscall.SIGPIPE)
	// gRPC's own log must not keep the child waiting either.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, &stderr{fd: syscall.Stderr}))
	line, err := fdpass.Inherited()
	if err != nil {
		return err
	}
	defer line.Close()
	ended := make(chan error, 1)
	go func() { ended <- watch(line, o.Socket) }() // ends with the line
	served := make(chan struct{})
	go func() { // ends with the process
		defer close(served)
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig: handshake,
			Plugins:         plugin.PluginSet{"bulkhead": service{register: o.Register}},
			GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
				return grpc.NewServer(append(opts, serverOptions(o.MaxMessageBytes)...)...)
			},
			Logger: hclog.NewNullLogger(),
		})
	}()
	orphaned := false
	for {
		select {
		case err := <-ended:
			if !errors.Is(err, errOrphaned) {
				return err
			}
			if o.Orphaned == nil {
				removeSocket(true)
				return nil
			}
			orphaned = true
			o.Orphaned()
		case <-served:
			return errors.New("the plugin server ended by itself")
		case <-ctx.Done():
			if orphaned || fdpass.Gone(line) {
				removeSocket(o.Orphaned == nil)
			}
			return nil
		}
	}
}

// Logger is the child's log: JSON on the stderr it was started with. A line that
// nobody takes within a moment is left out, and counted.
func Logger() *slog.Logger {
	return slog.New(logline.JSON(&stderr{fd: syscall.Stderr}, slog.LevelDebug))
}

// errOrphaned says that the parent is gone.
var errOrphaned = errors.New("the parent is gone")

// watch takes sockets until the parent says that it is enough (nil) or is gone.
func watch(line *net.UnixConn, take func(uint64, net.Conn)) error {
	reset := false
	for {
		id, socket, err := fdpass.Receive(line)
		switch {
		case errors.Is(err, fdpass.ErrEnd):
			return nil
		case errors.Is(err, syscall.ECONNRESET) && !reset:
			reset = true // the parent left something unread; what it said comes after this
			continue
		case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
			return errOrphaned
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("watching the parent: %w", err)
		case take == nil:
			socket.Close()
			return fmt.Errorf("watching the parent: it sent socket %d to a child that takes none", id)
		}
		take(id, socket)
	}
}

func serverOptions(maxMessage int) []grpc.ServerOption {
	if maxMessage <= 0 {
		maxMessage = 4 << 20
	}
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.StaticStreamWindowSize(child.WindowBytes), grpc.StaticConnWindowSize(child.WindowBytes),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: child.PingEvery / 2, PermitWithoutStream: true}),
	}
}

// service makes gRPC services a go-plugin plugin.
type service struct {
	plugin.NetRPCUnsupportedPlugin
	register func(*grpc.Server)
}

func (s service) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	s.register(server)
	return nil
}

// GRPCClient is the host's half, which package child does without.
func (s service) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("not the host's side")
}
