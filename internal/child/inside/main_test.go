package inside_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"bulkhead/internal/child/inside"
	"bulkhead/internal/fdpass"
)

// role is the environment entry that makes this test binary a child.
const role = "INSIDE_TEST_ROLE"

// Exit statuses by which a child tells how Serve ended.
const (
	servedWell = 0
	notChild   = 10
	otherError = 11 // the error itself is on file descriptor 2
)

func TestMain(m *testing.M) {
	if r := os.Getenv(role); r != "" {
		os.Exit(behave(r))
	}
	goleak.VerifyTestMain(m)
}

// behave does what the child does in each role.
func behave(r string) int {
	log := inside.Logger()
	stderr := os.Stderr
	options := inside.Options{Register: func(*grpc.Server) {}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch r {
	case "serve":
	case "chatty": // logs a lot for each socket, and then answers
		options.Socket = func(h fdpass.Handover, socket net.Conn) {
			for i := range 1000 {
				log.Warn("noise", "line", i)
			}
			fmt.Fprintf(socket, "socket %d", h.ID)
			socket.Close()
		}
	case "orphan": // goes on without its parent, until SIGTERM, and says so
		ctx, cancel = signal.NotifyContext(ctx, syscall.SIGTERM)
		defer cancel()
		options.Orphaned = func() { fmt.Fprintln(stderr, "orphaned") }
	case "impatient": // ends by itself when it gets a socket
		options.Socket = func(_ fdpass.Handover, socket net.Conn) {
			socket.Close()
			cancel()
		}
	}
	switch err := inside.Serve(ctx, options); {
	case err == nil:
		return servedWell
	case errors.Is(err, inside.ErrNotChild):
		return notChild
	default:
		fmt.Fprint(stderr, err)
		return otherError
	}
}
