package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/ownfile"
	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/campaign"
	"bulkhead/supervisor/control"
	"bulkhead/supervisor/report/repeats"
	"bulkhead/supervisor/rundir"
	"bulkhead/supervisor/upgrade"
)

// controlServer serves the control API on the unix socket in the state directory.
type controlServer struct {
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

// controlMaxBytes bounds what is asked for: a job with all its loads.
const controlMaxBytes = 4 << 20

func newControl(s *Supervisor) (*controlServer, error) {
	c := &controlServer{supervisor: s, release: func() {},
		server: grpc.NewServer(grpc.MaxRecvMsgSize(controlMaxBytes), grpc.ConnectionTimeout(lastCalls))}
	bulkheadv1.RegisterControlServiceServer(c.server, c)
	if f := s.cfg.Inherited.ControlFile(); f != nil {
		l, err := net.FileListener(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("taking the control socket over: %w", err)
		}
		c.listener = l.(*net.UnixListener)
		c.first = c.listener
		c.is = rundir.IdentityAt(filepath.Join(s.cfg.StateDir, rundir.ControlSocket))
		return c, nil
	}
	path, release, err := control.SocketPath(s.cfg.StateDir)
	if err != nil {
		return nil, rundir.StateDirError(err)
	}
	if c.listener, err = control.Listen(path); err != nil {
		release()
		return nil, err
	}
	c.first, c.release = c.listener, release
	c.is = rundir.IdentityAt(filepath.Join(s.cfg.StateDir, rundir.ControlSocket))
	return c, nil
}

// keep makes the socket again if it was removed. It is called from one goroutine, which has
// ended before the server is stopped.
func (c *controlServer) keep(mended func(string)) error {
	path := filepath.Join(c.supervisor.cfg.StateDir, rundir.ControlSocket)
	switch now := rundir.IdentityAt(path); {
	case now == c.is:
		return nil
	case now != (rundir.Identity{}):
		return fmt.Errorf("%s is another file now; this supervisor cannot be asked for its status",
			rundir.ControlSocket)
	}
	if _, err := os.Stat(c.supervisor.cfg.StateDir); err != nil {
		return nil // all of it is gone, which the run says
	}
	short, release, err := control.SocketPath(c.supervisor.cfg.StateDir)
	if err != nil {
		return err
	}
	defer release()
	l, err := control.Listen(short)
	if err != nil {
		return err
	}
	c.listener, c.is = l, rundir.IdentityAt(path)
	c.serving.Go(func() { // ended by the server's end, and awaited by Run
		if err := c.server.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			c.supervisor.cfg.Logger.Error("the control socket is no longer served", "error", err)
		}
	})
	mended(rundir.ControlSocket)
	return nil
}

// Run serves until ctx is done.
func (c *controlServer) Run(ctx context.Context) {
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
		c.supervisor.cfg.Logger.Error("the control socket is no longer served", "error", err)
	}
}

// Status implements the control API.
func (c *controlServer) Status(ctx context.Context, _ *bulkheadv1.StatusRequest) (*bulkheadv1.StatusResponse, error) {
	return c.supervisor.status(ctx), nil
}

// Drain implements the control API.
func (c *controlServer) Drain(_ context.Context, req *bulkheadv1.DrainRequest) (*bulkheadv1.DrainResponse, error) {
	reason := req.GetReason()
	if reason == "" {
		reason = "an operator asked for a drain"
	}
	return &bulkheadv1.DrainResponse{Sessions: uint32(c.supervisor.askToDrain(reason))}, nil
}

// DrainClient implements the control API.
func (c *controlServer) DrainClient(ctx context.Context, req *bulkheadv1.DrainClientRequest) (
	*bulkheadv1.DrainClientResponse, error) {
	open, r := 0, c.supervisor.currentRun()
	if r != nil {
		reason := cmp.Or(req.GetReason(), "an operator asked for the end of this client")
		open = r.drainClient(ctx, req.GetName(), reason)
	}
	if open == 0 {
		return nil, status.Errorf(codes.NotFound, "no client %s is in the run now", pathname.Printable(req.GetName()))
	}
	return &bulkheadv1.DrainClientResponse{Sessions: uint32(open)}, nil
}

// Upgrade implements the control API.
func (c *controlServer) Upgrade(ctx context.Context, req *bulkheadv1.UpgradeRequest) (*bulkheadv1.UpgradeResponse,
	error) {
	asker := upgrade.Edition{Version: req.GetVersion(), Build: req.GetBuild()}
	answer := make(chan upgradeAnswer, 1)
	select {
	case c.supervisor.upgrades <- upgradeRequest{asker, req.GetAnyVersion(), answer}:
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
			Version: a.to.Version, Build: a.to.Build, FromVersion: s.cfg.Version, FromBuild: s.cfg.Build,
			Program: s.program(), Resolved: upgrade.Resolved(s.program()), Pid: int32(os.Getpid()),
		}, nil
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// RunJob implements the control API.
func (c *controlServer) RunJob(ask *bulkheadv1.RunJobRequest, stream bulkheadv1.ControlService_RunJobServer) error {
	s := c.supervisor
	select {
	case <-s.taking:
	case <-stream.Context().Done():
		return status.FromContextError(stream.Context().Err()).Err()
	}
	return jobStatus(s.runJob(ask, stream))
}

func (s *Supervisor) runJob(ask *bulkheadv1.RunJobRequest, stream bulkheadv1.ControlService_RunJobServer) error {
	if id := ask.GetJobId(); id != "" {
		order, err := s.desk.Find(id)
		if err == nil {
			return order.Follow(stream.Context(), stream.Send)
		}
		if !errors.Is(err, campaign.ErrUnknown) || ask.GetJob() == nil {
			return err
		}
	}
	switch {
	case s.cfg.Job != nil:
		return fmt.Errorf("this supervisor is for the job %s alone",
			pathname.Printable(s.cfg.Job.GetJob().GetName()))
	case !s.cfg.KeepRunning:
		return errors.New("this supervisor ends with its run; start one for jobs with --keep-running")
	case ask.GetDryRun():
		return s.desk.Could(stream.Context(), ask, func(e *bulkheadv1.JobEvent) { _ = stream.Send(e) })
	}
	order, err := s.desk.Take(ask, false)
	if err != nil {
		return err
	}
	return order.Follow(stream.Context(), stream.Send)
}

// textPart is how much of a text is in one part.
const textPart = 256 << 10

// Text implements the control API.
func (c *controlServer) Text(ask *bulkheadv1.TextRequest, stream bulkheadv1.ControlService_TextServer) error {
	folder, id, name := rundir.RunsFolder, ask.GetRunId(), rundir.TextReport
	if ask.GetJobId() != "" {
		folder, id, name = rundir.JobsFolder, ask.GetJobId(), repeats.TextFile
	}
	if id == "" || id != filepath.Base(id) || strings.HasPrefix(id, ".") {
		return status.Errorf(codes.NotFound, "there is no run or job %s", pathname.Printable(id))
	}
	f, err := ownfile.Open(filepath.Join(c.supervisor.cfg.StateDir, folder, id, name), os.O_RDONLY, 0)
	if err != nil {
		return status.Errorf(codes.NotFound, "%v", err)
	}
	defer f.Close() // read only
	for {
		part := make([]byte, textPart)
		n, err := io.ReadFull(f, part)
		if n > 0 {
			if err := stream.Send(&bulkheadv1.TextPart{Text: part[:n]}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return status.Errorf(codes.Internal, "reading the report: %v", err)
		}
	}
}

// jobStatus returns how the end of a job is told.
func jobStatus(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	case errors.Is(err, campaign.ErrLeft):
		return status.Error(codes.Unavailable, err.Error())
	case errors.Is(err, campaign.ErrUnknown), errors.Is(err, campaign.ErrFollowed):
		return status.Error(codes.NotFound, err.Error())
	default:
		return status.Error(codes.FailedPrecondition, err.Error())
	}
}

// StopJob implements the control API.
func (c *controlServer) StopJob(_ context.Context, ask *bulkheadv1.StopJobRequest) (*bulkheadv1.StopJobResponse,
	error) {
	reason := cmp.Or(ask.GetReason(), "an operator asked for the end of the job")
	if err := c.supervisor.desk.Stop(ask.GetJobId(), reason); err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	return &bulkheadv1.StopJobResponse{}, nil
}
