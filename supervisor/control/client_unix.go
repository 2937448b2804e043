package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// ErrNotRunning says that no supervisor serves a state directory.
var ErrNotRunning = errors.New("no supervisor is running on this state directory")

// Client is a connection to a running supervisor.
type Client struct {
	bulkheadv1.ControlServiceClient
	// Pid is the supervisor's process id; 0 if it is of another PID namespace.
	Pid     int
	conn    *grpc.ClientConn
	release func()
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

// Dial connects to the supervisor of a state directory. It returns
// ErrNotRunning when there is none. That it returns a connection does not mean that
// the supervisor answers: the kernel takes connections for a process that is stopped.
func Dial(ctx context.Context, stateDir string) (*Client, error) {
	path, release, err := SocketPath(stateDir)
	if err != nil {
		return nil, notRunning(stateDir, err)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	pid, err := peerOf(ctx, path)
	if err != nil {
		release()
		return nil, notRunning(stateDir, err)
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
		return nil, fmt.Errorf("connecting to the supervisor of %s: %w", stateDir, err)
	}
	return &Client{bulkheadv1.NewControlServiceClient(conn), pid, conn, release}, nil
}

// notRunning returns an error that says why a control socket cannot be reached.
func notRunning(stateDir string, err error) error {
	var code syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: %s", ErrNotRunning, stateDir)
	case errors.Is(err, syscall.EAGAIN): // the backlog is full
		return fmt.Errorf("the supervisor of %s does not answer (is it stopped?)", stateDir)
	case errors.As(err, &code):
		return fmt.Errorf("the supervisor of %s cannot be asked: %w", stateDir, code)
	default:
		return fmt.Errorf("the supervisor of %s cannot be asked: %w", stateDir, err)
	}
}

// mostAnswered bounds an answer: the status of thousands of clients and agents.
const mostAnswered = 64 << 20

// peerOf connects to a control socket once, and returns the process id of the
// supervisor that listens there.
func peerOf(ctx context.Context, path string) (pid int, err error) {
	probe, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return 0, err
	}
	defer probe.Close()
	raw, err := probe.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var sockErr error
	if err := raw.Control(func(fd uintptr) {
		cred,
			sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if sockErr != nil {
		return 0, sockErr
	}
	return int(cred.Pid), nil
}

// Close ends the connection.
func (c *Client) Close() error {
	defer c.release()
	return c.conn.Close()
}
