package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/rundir"
)

// Why there is no connection: nobody is there.
var (
	// ErrNotRunning says that no supervisor serves a state directory.
	ErrNotRunning = errors.New("no supervisor is running on this state directory")
	// ErrNobody says that nobody listens on a socket.
	ErrNobody = errors.New("nobody listens on this socket")
)

// Address is where a supervisor is asked: at Socket, or, if that is empty, at the control socket in StateDir.
type Address struct{ StateDir, Socket string }

// String returns the address, for people.
func (a Address) String() string { return cmp.Or(a.Socket, a.StateDir) }

// Client is a connection to a running supervisor.
type Client struct {
	bulkheadv1.ControlServiceClient
	// Pid is the supervisor's process id; 0 if it is of another PID namespace, or not known: who listens on
	// a socket that is no state directory's may be what leads to another machine.
	Pid     int
	conn    *grpc.ClientConn
	release func()
}

// String returns which supervisor it is, for the begin of a sentence.
func (c *Client) String() string { return Named(c.Pid) }

// Named returns which supervisor one with this process id is, 0 if that is not known.
func Named(pid int) string {
	if pid > 0 {
		return fmt.Sprintf("supervisor pid %d", pid)
	}
	return "the supervisor"
}

// askAgain makes calls that may be repeated outlast an upgrade of the supervisor.
const askAgain = `{"methodConfig": [{
	"name": [
		{"service": "bulkhead.v1.ControlService", "method": "Status"},
		{"service": "bulkhead.v1.ControlService", "method": "Drain"}
	],
	"retryPolicy": {
		"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 3,
		"retryableStatusCodes": ["UNAVAILABLE"]
	}
}]}`

// dialTimeout bounds a connection to the control socket.
const dialTimeout = 5 * time.Second

// Dial connects to the supervisor of a state directory.
func Dial(ctx context.Context, stateDir string) (*Client, error) {
	return Address{StateDir: stateDir}.Dial(ctx)
}

// Dial connects to a supervisor. It returns ErrNotRunning or ErrNobody when there is none. That it returns
// a connection does not mean that the supervisor answers: the kernel takes connections for a process that
// is stopped, and so does what passes them on.
func (a Address) Dial(ctx context.Context) (*Client, error) {
	path, release, err := shortPath(cmp.Or(a.Socket, filepath.Join(a.StateDir, rundir.ControlSocket)))
	if err != nil {
		return nil, a.unreached(err)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	peer, err := peerOf(ctx, path)
	if err == nil && a.Socket != "" && !trusted(peer) {
		err = fmt.Errorf("who listens there is user %d, who could answer anything", peer.Uid)
	}
	if err != nil {
		release()
		return nil, a.unreached(err)
	}
	conn, err := grpc.NewClient("passthrough:///control",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(askAgain),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(mostAnswered)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}))
	if err != nil {
		release()
		return nil, fmt.Errorf("connecting to the supervisor of %s: %w", a, err)
	}
	pid := int(peer.Pid)
	if a.Socket != "" {
		pid = 0
	}
	return &Client{bulkheadv1.NewControlServiceClient(conn), pid, conn, release}, nil
}

// unreached returns an error that says why a control socket cannot be reached.
func (a Address) unreached(err error) error {
	var code syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		if a.Socket != "" {
			return fmt.Errorf("%w: %s", ErrNobody, a)
		}
		return fmt.Errorf("%w: %s", ErrNotRunning, a)
	case errors.Is(err, syscall.EAGAIN): // the backlog is full
		return fmt.Errorf("the supervisor of %s does not answer (is it stopped?)", a)
	case errors.As(err, &code):
		return fmt.Errorf("the supervisor of %s cannot be asked: %w", a, code)
	default:
		return fmt.Errorf("the supervisor of %s cannot be asked: %w", a, err)
	}
}

// trusted reports whether a supervisor, or what leads to one, may be of that user: of this one, or root;
// root itself knows what it asks.
func trusted(peer *unix.Ucred) bool {
	me := uint32(os.Geteuid())
	return me == 0 || peer.Uid == me || peer.Uid == 0
}

// mostAnswered bounds an answer: the status of thousands of clients and agents.
const mostAnswered = 64 << 20

// peerOf connects to a control socket once, and returns who listens there.
func peerOf(ctx context.Context, path string) (*unix.Ucred, error) {
	probe, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	defer probe.Close()
	raw, err := probe.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var sockErr error
	if err := raw.Control(func(fd uintptr) {
		peer, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	return peer, sockErr
}

// Close ends the connection.
func (c *Client) Close() error {
	defer c.release()
	return c.conn.Close()
}
