package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/rundir"
)

// ErrNotRunning says that no supervisor serves a state directory.
var ErrNotRunning = errors.New("no supervisor is running on this state directory")

// control serves the control API on the unix socket in the state directory.
type control struct {
	bulkheadv1.UnimplementedControlServiceServer
	supervisor *Supervisor
	listener   *net.UnixListener // the newest
	first      *net.UnixListener
	server     *grpc.Server
	release    func()
	is         rundir.Identity // of the socket; zero if it is not known
	serving    sync.WaitGroup  // of sockets that were made again
	kept       bool            // the socket stays for the next program; set before Run's ctx is done
}

// lastCalls is how long calls may take that are under way at the end, and connections
// that have not begun to make one: gRPC waits for both.
const lastCalls = time.Second

func newControl(s *Supervisor) (*control, error) {
	c := &control{supervisor: s, release: func() {}, server: grpc.NewServer(grpc.MaxRecvMsgSize(1<<20), grpc.ConnectionTimeout(lastCalls))}
	bulkheadv1.RegisterControlServiceServer(c.server, c)
	if f := s.cfg.Handover.control(); f != nil {
		l, err := net.FileListener(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("taking the control socket over: %w", err)
		}
		c.listener = l.(*net.UnixListener)
		c.first = c.listener
		c.is = rundir.IdentityAt(filepath.Join(s.cfg.StateDir, rundir.ControlSocket))
		return c, nil
	}
	path, release, err := socketPath(s.cfg.StateDir)
	if err != nil {
		return nil, rundir.StateDirError(err)
	}
	if c.listener, err = listenControl(path); err != nil {
		release()
		return nil, err
	}
	c.first, c.release = c.listener, release
	c.is = rundir.IdentityAt(filepath.Join(s.cfg.StateDir, rundir.ControlSocket))
	return c, nil
}

// keep makes the socket again if it was removed. It is called from one goroutine, which has
// ended before the server is stopped.
func (c *control) keep(mended func(string)) error {
	path := filepath.Join(c.supervisor.cfg.StateDir, rundir.ControlSocket)
	switch now := rundir.IdentityAt(path); {
	case now == c.is:
		return nil
	case now != (rundir.Identity{}):
		return fmt.Errorf("%s is another file now; this supervisor cannot be asked for its status", rundir.ControlSocket)
	}
	if _, err := os.Stat(c.supervisor.cfg.StateDir); err != nil {
		return nil // all of it is gone, which the run says
	}
	short, release, err := socketPath(c.supervisor.cfg.StateDir)
	if err != nil {
		return err
	}
	defer release()
	l, err := listenControl(short)
	if err != nil {
		return err
	}
	c.listener, c.is = l, rundir.IdentityAt(path)
	c.serving.Go(func() { // ended by the server's end, and awaited by Run
		if err := c.server.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			c.supervisor.cfg.Logger.Error("the control socket is not served any more", "error", err)
		}
	})
	mended(rundir.ControlSocket)
	return nil
}

func listenControl(path string) (*net.UnixListener, error) {
	// The lock is ours, so a socket that is there was left by a supervisor that was
	// killed.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing an old control socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // Run removes it, by its own name
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	return l, nil
}

// Run serves until ctx is done.
func (c *control) Run(ctx context.Context) {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		hurry := time.AfterFunc(lastCalls, c.server.Stop)
		defer hurry.Stop()
		c.server.GracefulStop()
	})
	defer c.release()
	defer func() {
		if !stop() {
			<-stopped
		}
		c.serving.Wait()
		path := filepath.Join(c.supervisor.cfg.StateDir, rundir.ControlSocket)
		if c.kept || rundir.IdentityAt(path) != c.is {
			return // it stays, or it is not ours
		}
		if err := os.Remove(path); err != nil {
			c.supervisor.cfg.Logger.Warn("the control socket cannot be removed", "error", err)
		}
	}()
	if err := c.server.Serve(c.first); err != nil && ctx.Err() == nil {
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

// Upgrade is the control API's upgrade.
func (c *control) Upgrade(ctx context.Context, req *bulkheadv1.UpgradeRequest) (*bulkheadv1.UpgradeResponse, error) {
	answer := make(chan upgradeAnswer, 1)
	select {
	case c.supervisor.upgrades <- upgradeRequest{edition{req.GetVersion(), req.GetBuild()}, req.GetAnyVersion(), answer}:
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, status.Error(codes.FailedPrecondition, a.err.Error())
		}
		s := c.supervisor
		return &bulkheadv1.UpgradeResponse{
			Version: a.to.version, Build: a.to.build, FromVersion: s.cfg.Version, FromBuild: s.cfg.Build,
			Program: s.program(), Resolved: resolved(s.program()), Pid: int32(os.Getpid()),
		}, nil
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// socketPath is a path for the control socket that a unix socket can have: where
// the state directory's own is too long, it goes through a descriptor of it. The
// caller calls release when the path is not needed any more.
func socketPath(stateDir string) (path string, release func(), err error) {
	path = filepath.Join(stateDir, rundir.ControlSocket)
	if len(path) <= rundir.MaxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(stateDir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), rundir.ControlSocket), func() { dir.Close() }, nil
}

// Control is a connection to a running supervisor.
type Control struct {
	bulkheadv1.ControlServiceClient
	// Pid is the supervisor's process id; 0 if it is of another PID namespace.
	Pid     int
	conn    *grpc.ClientConn
	release func()
}

// askAgain makes calls that may be repeated outlast an upgrade of the supervisor.
const askAgain = `{"methodConfig": [{
	"name": [{"service": "bulkhead.v1.ControlService", "method": "Status"}, {"service": "bulkhead.v1.ControlService", "method": "Drain"}],
	"retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 3, "retryableStatusCodes": ["UNAVAILABLE"]}
}]}`

// controlTimeout bounds a connection to the control socket.
const controlTimeout = 5 * time.Second

// DialControl connects to the supervisor of a state directory. It returns
// ErrNotRunning when there is none. That it returns a connection does not mean that
// the supervisor answers: the kernel takes connections for a process that is stopped.
func DialControl(ctx context.Context, stateDir string) (*Control, error) {
	path, release, err := socketPath(stateDir)
	if err != nil {
		return nil, notRunning(stateDir, err)
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	pid, err := controlPeer(ctx, path)
	if err != nil {
		release()
		return nil, notRunning(stateDir, err)
	}
	conn, err := grpc.NewClient("passthrough:///control",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(askAgain),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}))
	if err != nil {
		release()
		return nil, fmt.Errorf("connecting to the supervisor of %s: %w", stateDir, err)
	}
	return &Control{bulkheadv1.NewControlServiceClient(conn), pid, conn, release}, nil
}

// notRunning says why a control socket cannot be reached.
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

// controlPeer connects to a control socket once, and returns the process id of the
// supervisor that listens there.
func controlPeer(ctx context.Context, path string) (pid int, err error) {
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
	if err := raw.Control(func(fd uintptr) { cred, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return 0, err
	}
	if sockErr != nil {
		return 0, sockErr
	}
	return int(cred.Pid), nil
}

// Close ends the connection.
func (c *Control) Close() error {
	defer c.release()
	return c.conn.Close()
}
