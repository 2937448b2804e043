package supervisor

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"bulkhead/internal/child"
	"bulkhead/internal/child/spawner"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/protocol"
	"bulkhead/internal/sandbox"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster/members"
	"bulkhead/supervisor/custody"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/reserve"
)

// startHandler starts a handler with the environment and descriptors it needs and
// no other.
func (s *Supervisor) startHandler(ctx context.Context) (c *child.Child, err error) {
	if err := reserve.RoomForHandler(); err != nil {
		return nil, fmt.Errorf("starting handler: %w", err)
	}
	done, err := s.threads.Begin(s.sessionsAway())
	if err != nil {
		return nil, fmt.Errorf("starting handler: %w", err)
	}
	defer func() { done(c.Pid(), err) }()
	folder, again, err := s.state.Socks.Folder()
	if err != nil {
		return nil, fmt.Errorf("starting handler: %w", err)
	}
	if again {
		s.cfg.Logger.Warn("the folder for the handlers' sockets was removed, and is made again; handlers that had "+
			"theirs in it keep serving, but no other supervisor can adopt them", "folder", folder)
	}
	cfg := s.handlerConfig(folder)
	cfg.Call = s.cfg.serveAhead
	c, err = child.Start(ctx, cfg)
	if err != nil {
		return nil, custody.Refused(err)
	}
	if err := s.custody.Admit(c, c.Called().(*call).said); err != nil {
		c.Kill()
		return nil, fmt.Errorf("starting handler: %w", err)
	}
	return c, nil
}

func (s *Supervisor) handlerConfig(socketFolder string) child.Config {
	return child.Config{
		Name: "handler", Path: s.cfg.Handler.Path, Dir: "/",
		Env: append([]string{
			"GOMAXPROCS=1",
			"GOMEMLIMIT=" + strconv.FormatUint(uint64(s.cfg.Handler.MemoryLimit), 10),
		}, append(s.custody.Env(), failpoint.Env()...)...),
		BoundsItself: s.custody.Locks(), Apart: s.custody.Apart(),
		SocketDir: socketFolder, MaxMessageBytes: protocol.MaxHandlerMessageBytes,
		MemoryMax: uint64(s.cfg.Handler.MemoryMax), BoxBytes: int(s.cfg.Session.MaxFrame) + boxSlack,
		StartTimeout: s.cfg.Handler.StartTimeout, KillTimeout: s.cfg.Handler.KillTimeout,
		Blocking: s.threads.Limit(), Spawner: s.spawner, Watched: true, TimerSlack: handlerSlack,
		Logger: s.cfg.Logger.With("from", filepath.Base(s.cfg.Handler.Path)), Logs: s.logs,
	}
}

// handlerSlack is how late a timer of a handler may fire. Go's runtime looks every 20 µs whether a
// system call lasts, at first, which takes a tenth of the processor time of a handler that starts
// and relays a few messages. What a handler times are seconds.
const handlerSlack = time.Millisecond

// sessionsAway returns how many sessions wait for their clients to come back.
func (s *Supervisor) sessionsAway() int {
	if s.gate == nil { // in a pre-flight, which has none
		return 0
	}
	n, _ := s.gate.Away(netip.Addr{})
	return n
}

// startSpawner lets a spawner start the handlers, if one is configured, until stop is called,
// which may be called again. It does not wait for it.
func (s *Supervisor) startSpawner(ctx context.Context) (stop func()) {
	if !s.cfg.Spawner {
		return func() {}
	}
	env := append(s.custody.Env(), failpoint.Env()...)
	if s.custody.Apart() {
		env = append(env, spawner.ApartEnv+"=1")
	}
	s.spawner = child.NewSpawner(s.cfg.Handler.Path, env,
		s.cfg.Logger.With("from", filepath.Base(s.cfg.Handler.Path)+" "+spawner.Argument))
	s.spawner.Logs = s.logs
	return inBackground(ctx, s.spawner.Run)
}

// boxSlack is what a black box has beyond the largest frame.
const boxSlack = 4 << 10

func (s *Supervisor) stopHandler(c *child.Child) child.Exit {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Handler.KillTimeout)
	defer cancel()
	return c.Stop(ctx)
}

// idleGrace is how long a handler of the pool may take to end when asked to. It has
// nothing to lose, and an upgrade, in which nothing is acknowledged, waits for it.
const idleGrace = time.Second

// stopIdle stops a handler that never had a client.
func (s *Supervisor) stopIdle(c *child.Child) child.Exit {
	ctx, cancel := context.WithTimeout(context.Background(), min(idleGrace, s.cfg.Handler.KillTimeout))
	defer cancel()
	return c.Stop(ctx)
}

// handlerDied records, in the journal of the current run, a handler that died in the pool.
func (s *Supervisor) handlerDied(e child.Exit) {
	if r := s.currentRun(); r != nil {
		r.handlerDied(&bulkheadv1.HandlerExited{Exit: e.Proto(nil)})
	}
}

// call is a call of a handler's Serve. One is made as a handler starts, and waits there for the
// socket: to begin a call takes as long as much of what a new client waits for.
type call struct {
	stream bulkheadv1.HandlerService_ServeClient
	wary   *raw.Wary          // decodes what the handler sends
	cancel context.CancelFunc // ends the call
	said   []string           // what the handler said with its answer of how it is locked in
}

// serve calls Serve of the handler at conn, for what open says.
func serve(ctx context.Context, conn grpc.ClientConnInterface, open *bulkheadv1.Open) (*call, error) {
	c := &call{wary: raw.NewWary()}
	ctx, c.cancel = context.WithCancel(ctx)
	var err error
	c.stream, err = bulkheadv1.NewHandlerServiceClient(conn).Serve(ctx, grpc.ForceCodecV2(c.wary))
	if err == nil {
		err = c.stream.Send(&bulkheadv1.SupervisorFrame{Frame: &bulkheadv1.SupervisorFrame_Open{Open: open}})
	}
	if err != nil {
		c.cancel()
		return nil, fmt.Errorf("opening the handler's stream: %w", err)
	}
	return c, nil
}

// serveAhead calls Serve of a handler that has no socket yet. The handler answers, before ctx is
// done, that it waits: one of before it could does not, and is not started. The call ends with the
// handler's connection, at the latest.
func (c Config) serveAhead(ctx context.Context, conn grpc.ClientConnInterface) (any, error) {
	waiting, err := serve(context.Background(), conn, c.open())
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, waiting.cancel)
	answer, err := waiting.stream.Header()
	waiting.said = answer.Get(sandbox.Key)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		waiting.cancel()
		return nil, fmt.Errorf("opening the handler's stream: %w", err)
	}
	return waiting, nil
}

// silence returns after how long a handler leaves a supervisor that says nothing, so that its client goes to
// another one; 0 for never, where there is none. Pings are four times as often.
func (c Config) silence() time.Duration {
	if c.Journal.Run == "" || len(c.Peers) == 0 {
		return 0
	}
	return max(members.Silent*beatEvery, c.Handler.HangTimeout)
}

// open returns what a handler is told of whatever connection it gets.
func (c Config) open() *bulkheadv1.Open {
	return &bulkheadv1.Open{
		Limits:            c.limits(),
		HelloTimeoutNano:  int64(c.Session.HelloTimeout),
		ClientTimeoutNano: int64(c.Session.ClientTimeout),
		OrphanGraceNano:   max(int64(c.Handler.OrphanGrace), 1),
		ReportResent:      true,
		Secure:            c.TLS.Cert != "",
		SilenceNano:       int64(c.silence()),
	}
}

// call returns the call that serves the link's connection until ctx is done: the one that its
// handler waits in, or another if it adopts an earlier supervisor's.
func (l *link) call(ctx context.Context, r *run) (*call, error) {
	if c, ok := l.child.Called().(*call); ok {
		context.AfterFunc(ctx, c.cancel)
		return c, nil
	}
	open := r.cfg.open()
	open.ConnectionId, open.ResumeAfter = l.id, l.resumeAfter
	open.HelloTimeoutNano = int64(l.ticket.Patience(r.cfg.Session.HelloTimeout))
	return serve(ctx, l.child.Conn(), open)
}
