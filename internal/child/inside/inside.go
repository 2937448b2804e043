// Package inside is the half of package child that runs within the child: it
// serves gRPC services as a go-plugin plugin and ends when the parent says so or
// is gone, which is the same event: end-of-file on the line (descriptor 3).
//
// It also makes the process a good child: SIGPIPE is ignored, so that a log line
// written after the parent's death cannot kill it, and log/slog writes JSON to
// stderr, which the parent passes on.
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
	"google.golang.org/grpc/keepalive"

	"bulkhead/internal/child"
	"bulkhead/internal/fdpass"
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
}

// Serve serves until the parent closes the line or dies, or ctx is done, and
// returns nil then. The caller should end the process soon after: go-plugin's
// server is not stopped. It returns ErrNotChild when started by hand.
func Serve(ctx context.Context, o Options) error {
	handshake := child.Handshake()
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		return ErrNotChild
	}
	signal.Ignore(syscall.SIGPIPE)
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
	select {
	case err := <-ended:
		return err
	case <-served:
		return errors.New("the plugin server ended by itself")
	case <-ctx.Done():
		return nil
	}
}

// Logger is the child's log: JSON on the stderr it was started with. Call it
// before Serve, which lets go-plugin replace os.Stderr.
func Logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// watch takes sockets until the parent is gone.
func watch(line *net.UnixConn, take func(uint64, net.Conn)) error {
	for {
		id, socket, err := fdpass.Receive(line)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, net.ErrClosed):
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
