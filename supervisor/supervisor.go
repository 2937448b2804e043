package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"bulkhead/internal/child"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// maxMessageBytes bounds a message between supervisor and handler: the largest
// frame a configuration allows (8 MiB) and its envelope.
const maxMessageBytes = 9 << 20

// errInterrupted is why a run ends when its operator does not want to wait.
var errInterrupted = errors.New("interrupted a second time")

// errDrainDeadline is why sessions are lost that did not drain in time.
var errDrainDeadline = errors.New("still open at the end of the drain time")

// Result is how a supervisor's runs went.
type Result struct {
	// Runs is how many runs were reported.
	Runs int
	// Complete says that every one of them was complete.
	Complete bool
}

// Supervisor serves clients; see the package comment.
type Supervisor struct {
	cfg      Config
	state    *stateDir
	listener *net.TCPListener
	pool     *pool
	drains   chan string // asks for a drain; holds one

	mu      sync.Mutex
	current *run // guarded by mu
}

// Run is the life of a supervisor: it opens the state directory and the listener,
// serves one run, or with KeepRunning one after the other, and writes their
// reports. The first value on interrupts, or a drain asked for on the control
// socket, drains; the second value, or the end of ctx, ends the run at once. The
// report is written in every case.
//
// An error that wraps ErrConfig or ErrLocked means that nothing was started.
func Run(ctx context.Context, cfg Config, interrupts <-chan os.Signal) (Result, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return Result{}, err
	}
	state, err := openStateDir(cfg.StateDir)
	if err != nil {
		return Result{}, err
	}
	s := &Supervisor{cfg: cfg, state: state, drains: make(chan string, 1)}
	res, err := s.run(ctx, interrupts)
	return res, errors.Join(err, state.close())
}

func (s *Supervisor) run(ctx context.Context, interrupts <-chan os.Signal) (Result, error) {
	listener, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return Result{}, fmt.Errorf("%w: listen: %w", ErrConfig, err)
	}
	defer listener.Close()
	s.listener = listener.(*net.TCPListener)
	first, err := s.startHandler(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("no handler starts: %w", err)
	}
	s.pool = newPool(s.cfg.Handler.Pool, s.startHandler, s.stopHandler, s.handlerDied, s.cfg.Logger)
	control, err := newControl(s)
	if err != nil {
		s.stopHandler(first)
		return Result{}, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { s.pool.Run(background, first) })
	wg.Go(func() { control.Run(background) })
	defer func() { stop(); wg.Wait() }()
	return s.runs(ctx, interrupts)
}

// runs serves one run after the other.
func (s *Supervisor) runs(ctx context.Context, interrupts <-chan os.Signal) (Result, error) {
	res := Result{Complete: true}
	for {
		stopped, complete, err := s.oneRun(ctx, interrupts, res.Runs == 0)
		res.Complete = res.Complete && complete
		if err != nil {
			return res, err
		}
		res.Runs++
		if stopped || !s.cfg.KeepRunning {
			return res, nil
		}
	}
}

// oneRun serves a run and reports it. stopped says that an operator ended it.
func (s *Supervisor) oneRun(ctx context.Context, interrupts <-chan os.Signal, announce bool) (stopped, complete bool, err error) {
	id, dir, err := s.state.newRunDir(time.Now())
	if err != nil {
		return false, false, err
	}
	if err := writeRunFile(s.cfg, id, dir, s.listener.Addr()); err != nil {
		return false, false, err
	}
	r, err := newRun(s.cfg, id, dir, s.listener.Addr(), s.pool)
	if err != nil {
		return false, false, err
	}
	s.setCurrent(r)
	s.cfg.Logger.Info("supervisor ready", "listen", s.listener.Addr().String(), "run", id, "run_dir", dir, "clients_expected", s.cfg.Clients)
	if announce && s.cfg.Ready != nil {
		s.cfg.Ready(Ready{Listen: s.listener.Addr().String(), RunDir: dir})
	}
	stopped, failure := s.serve(ctx, r, interrupts)
	s.setCurrent(nil)
	if err := r.journal.Close(); err != nil && failure == nil {
		failure = err
	}
	rep, err := writeReport(dir)
	if rep != nil && s.cfg.Report != nil {
		s.cfg.Report(rep, dir)
	}
	if err := errors.Join(failure, err); err != nil {
		return stopped, false, err
	}
	// The next run of a supervisor that keeps running is no run that went wrong just
	// because the supervisor was stopped before anybody came.
	idle := s.cfg.KeepRunning && stopped && r.nobodyCame()
	return stopped, rep.Complete() || idle, nil
}

// serve serves a run to its last record.
func (s *Supervisor) serve(ctx context.Context, r *run, interrupts <-chan os.Signal) (stopped bool, failure error) {
	now, cut := context.WithCancelCause(ctx) // done when the run must end at once
	defer cut(nil)
	accepting, stopAccepting := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { r.accept(accepting, s.listener) })
	wg.Go(func() { r.watch(accepting) })
	wg.Go(func() { stopped = s.operate(accepting, r, interrupts, cut) })
	cause := r.await(now)
	stopAccepting()
	wg.Wait()

	text := "the run is over"
	if cause != nil {
		text = cause.Error()
	}
	r.end(text)
	ended := &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_DONE, Detail: r.drainReason()}
	switch {
	case errors.Is(cause, errInterrupted), errors.Is(cause, errDrainDeadline), errors.Is(cause, context.Canceled):
		ended.Reason, ended.Detail = bulkheadv1.RunEnd_RUN_END_DRAINED, text
		stopped = true
	case cause != nil:
		return true, cause // the journal has failed; nothing more can be recorded
	case stopped:
		ended.Reason = bulkheadv1.RunEnd_RUN_END_DRAINED
	}
	if !r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunEnded{RunEnded: ended}}) {
		return true, <-r.failed
	}
	return stopped, nil
}

// operate acts on interrupts and drains until ctx is done; it returns whether
// there was one. cut ends the run at once.
func (s *Supervisor) operate(ctx context.Context, r *run, interrupts <-chan os.Signal, cut context.CancelCauseFunc) bool {
	drain := func(reason string) {
		open := r.startDrain(reason)
		s.cfg.Logger.Info("draining", "reason", reason, "open_sessions", open, "within", s.cfg.DrainTimeout)
	}
	select {
	case sig := <-interrupts:
		drain(fmt.Sprintf("the supervisor received %s", sig))
	case reason := <-s.drains:
		drain(reason)
	case <-ctx.Done():
		return false
	}
	deadline := time.NewTimer(s.cfg.DrainTimeout)
	defer deadline.Stop()
	for {
		select {
		case <-interrupts:
			cut(errInterrupted)
		case <-s.drains: // already under way
			continue
		case <-deadline.C:
			cut(errDrainDeadline)
		case <-ctx.Done():
		}
		return true
	}
}

// askToDrain is called by the control API; it returns how many sessions are open.
func (s *Supervisor) askToDrain(reason string) int {
	select {
	case s.drains <- reason:
	default: // one is under way
	}
	r := s.currentRun()
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cycle.open
}

func (s *Supervisor) setCurrent(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = r
}

// currentRun is the run being served; nil between runs.
func (s *Supervisor) currentRun() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// startHandler starts a handler with the environment and descriptors it needs and
// no other.
func (s *Supervisor) startHandler(ctx context.Context) (*child.Child, error) {
	return child.Start(ctx, child.Config{
		Name: "handler", Path: s.cfg.Handler.Path, Dir: "/",
		Env: []string{
			"GOMAXPROCS=1",
			"GOMEMLIMIT=" + strconv.FormatUint(s.cfg.Handler.MemoryLimit, 10),
		},
		SocketDir: s.state.sockets, MaxMessageBytes: maxMessageBytes,
		StartTimeout: s.cfg.Handler.StartTimeout, KillTimeout: s.cfg.Handler.KillTimeout,
		Logger: s.cfg.Logger.With("from", filepath.Base(s.cfg.Handler.Path)),
	})
}

func (s *Supervisor) stopHandler(c *child.Child) child.Exit {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Handler.KillTimeout)
	defer cancel()
	return c.Stop(ctx)
}

// handlerDied is told of handlers that died in the pool.
func (s *Supervisor) handlerDied(e child.Exit) {
	if r := s.currentRun(); r != nil {
		r.handlerDied(&bulkheadv1.HandlerExited{Exit: e.Proto(nil)})
	}
}
