package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// ErrNotRunning says that no supervisor serves a state directory.
var ErrNotRunning = errors.New("no supervisor is running on this state directory")

// control serves the control API on the unix socket in the state directory.
type control struct {
	bulkheadv1.UnimplementedControlServiceServer
	supervisor *Supervisor
	listener   net.Listener
	server     *grpc.Server
	release    func()
}

func newControl(s *Supervisor) (*control, error) {
	path, release, err := socketPath(s.cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("%w: state_dir: %w", ErrConfig, err)
	}
	// The lock is ours, so a socket that is there was left by a supervisor that was
	// killed.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		release()
		return nil, fmt.Errorf("removing an old control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		release()
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		release()
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	c := &control{supervisor: s, listener: l, release: release, server: grpc.NewServer(grpc.MaxRecvMsgSize(1 << 20))}
	bulkheadv1.RegisterControlServiceServer(c.server, c)
	return c, nil
}

// Run serves until ctx is done.
func (c *control) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, c.server.Stop)
	defer stop()
	defer c.release()
	if err := c.server.Serve(c.listener); err != nil && ctx.Err() == nil {
		c.supervisor.cfg.Logger.Error("the control socket is not served any more", "error", err)
	}
}

// Status is the control API's snapshot.
func (c *control) Status(ctx context.Context, _ *bulkheadv1.StatusRequest) (*bulkheadv1.StatusResponse, error) {
	return c.supervisor.status(ctx), nil
}

// Drain is the control API's drain.
func (c *control) Drain(_ context.Context, req *bulkheadv1.DrainRequest) (*bulkheadv1.DrainResponse, error) {
	reason := req.GetReason()
	if reason == "" {
		reason = "an operator asked for a drain"
	}
	return &bulkheadv1.DrainResponse{Sessions: uint32(c.supervisor.askToDrain(reason))}, nil
}

// socketPath is a path for the control socket that a unix socket can have: where
// the state directory's own is too long, it goes through a descriptor of it. The
// caller calls release when the path is not needed any more.
func socketPath(stateDir string) (path string, release func(), err error) {
	path = filepath.Join(stateDir, controlSocket)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(stateDir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), controlSocket), func() { dir.Close() }, nil
}

// Control is a connection to a running supervisor.
type Control struct {
	bulkheadv1.ControlServiceClient
	conn    *grpc.ClientConn
	release func()
}

// controlTimeout bounds a connection to the control socket.
const controlTimeout = 5 * time.Second

// DialControl connects to the supervisor of a state directory. It returns
// ErrNotRunning when there is none.
func DialControl(ctx context.Context, stateDir string) (*Control, error) {
	path, release, err := socketPath(stateDir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	probe, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		release()
		return nil, fmt.Errorf("%w: %s (%w)", ErrNotRunning, stateDir, err)
	}
	probe.Close()
	conn, err := grpc.NewClient("passthrough:///control",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}))
	if err != nil {
		release()
		return nil, fmt.Errorf("connecting to the supervisor of %s: %w", stateDir, err)
	}
	return &Control{bulkheadv1.NewControlServiceClient(conn), conn, release}, nil
}

// Close ends the connection.
func (c *Control) Close() error {
	defer c.release()
	return c.conn.Close()
}
