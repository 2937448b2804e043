// Package inside is the half of package child that runs within the child: it
// serves gRPC services as go-plugin's protocol asks and ends when the parent says so on the
// line (descriptor 3). When the line ends without a word, the parent is gone: the
// child ends too, or, with Options.Orphaned, waits at work for another parent.
//
// It serves the parent alone, or whoever takes the child up for it: a process of the parent's user
// that shows the secret which the parent has left on the line.
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

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/grpclog"

	"bulkhead/internal/child/handshake"
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
	// Codec codes the messages; nil is gRPC's own.
	Codec encoding.CodecV2
	// Lock is called when the child listens, before it says so: whoever waits for it does not get
	// a child for which Lock has failed. The goroutine is the one that calls Serve, and has waited for
	// nothing there. folder has nothing in it but the child's socket. May be nil.
	Lock func(folder string) error
	// Socket is called with every socket the parent hands over; it owns the
	// socket. Nil for a child that takes none.
	Socket func(h fdpass.Handover, socket net.Conn)
	// Orphaned is called, once, when the parent is gone. Serve then continues until its
	// ctx is done, so that another process can take the child up. Nil ends Serve.
	Orphaned func()
}

// Serve serves until the parent wants the child to end, or is gone (but see
// Options.Orphaned), or ctx is done, and returns nil then. The caller should end the
// process soon after: the server is not stopped. It returns ErrNotChild when started by
// hand.
func Serve(ctx context.Context, o Options) error {
	if os.Getenv(handshake.CookieKey) != handshake.CookieValue {
		return ErrNotChild
	}
	signal.Ignore(syscall.SIGPIPE, syscall.SIGINT)
	// gRPC's own log must not keep the child waiting either.
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, &stderr{fd: syscall.Stderr}))
	line, err := fdpass.Inherited()
	if err != nil {
		return err
	}
	defer line.Close()
	in, err := entranceBehind(line)
	if err != nil {
		return err
	}
	server, err := open(o, in) // before anything is waited for: for that the runtime makes threads
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- watch(line, o.Socket) }() // ends with the line
	served := make(chan error, 1)
	go func() { served <- serve(server, in) }() // ends with the process
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
		case err := <-served:
			return err
		case <-ctx.Done():
			if orphaned || fdpass.Gone(line) {
				removeSocket(o.Orphaned == nil)
			}
			return nil
		}
	}
}

// Logger returns the child's log: JSON on the stderr it was started with. A line that
// nobody takes within a moment is left out, and counted.
func Logger() *slog.Logger {
	return slog.New(logline.JSON(&stderr{fd: syscall.Stderr}, slog.LevelDebug))
}

// errOrphaned says that the parent is gone.
var errOrphaned = errors.New("the parent is gone")

// watch takes sockets until the parent says that it is enough (nil) or is gone.
func watch(line *net.UnixConn, take func(fdpass.Handover, net.Conn)) error {
	reset := false
	for {
		h, socket, err := fdpass.Receive(line)
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
			return fmt.Errorf("watching the parent: it sent socket %d to a child that takes none", h.ID)
		}
		take(h, socket)
	}
}
