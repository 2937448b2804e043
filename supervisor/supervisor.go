package supervisor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"bulkhead/internal/child"
	"bulkhead/internal/config"
	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/pool"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/reserve"
	"bulkhead/supervisor/rundir"
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
	// Verdict is that of the worst of them.
	Verdict report.Word
	// Handover is what the next program in this process goes on with, when an upgrade
	// was asked for; nil otherwise. The run is neither over nor reported then, and
	// the process must do nothing more but Handover.Exec.
	Handover *Handover
}

// Supervisor serves clients; see the package comment.
type Supervisor struct {
	cfg      Config
	state    *rundir.StateDir
	listener *net.TCPListener
	pool     *pool.Pool
	threads  *reserve.Threads
	gate     *door.Gate
	drains   chan string         // asks for a drain; holds one
	upgrades chan upgradeRequest // asks for an upgrade
	control  *control
	// stopControl ends control, as soon as it is called.
	stopControl func()
	http        *net.TCPListener // for browsers; nil if there are to be none

	mu      sync.Mutex
	current *run // guarded by mu; nil before the first run and between two
	last    *run // guarded by mu; the newest that was current; nil before the first
}

// Run is the life of a supervisor: it opens the state directory and the listener,
// takes up the run that a supervisor before it left unfinished or begins one, serves
// it, or with KeepRunning one after the other, and writes the reports.
//
// The first SIGINT or SIGTERM on signals, or a drain asked for on the control socket,
// drains; the second one, or the end of ctx, ends the run at once. The report is
// written in every case. SIGHUP, or an upgrade asked for on the control socket, makes
// Run return with Result.Handover set, if the new program is fit.
//
// An error that wraps ErrConfig or ErrLocked means that nothing was started, and so does
// one that says that the address is in use.
func Run(ctx context.Context, cfg Config, signals <-chan os.Signal) (Result, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return Result{}, err
	}
	if err := cfg.checkDescriptors(reserve.DescriptorLimit()); err != nil && cfg.Handover == nil { // a run that is served goes on
		return Result{}, err
	}
	room := reserve.NewThreads()
	if err := room.Check(); err != nil && cfg.Handover == nil {
		return Result{}, err
	}
	state, err := rundir.Open(cfg.StateDir, cfg.Handover.lock())
	if err != nil {
		return Result{}, err
	}
	s := &Supervisor{
		cfg: cfg, state: state, gate: door.NewGate(cfg.Overload, rand.IntN), threads: room,
		drains: make(chan string, 1), upgrades: make(chan upgradeRequest),
	}
	res, err := s.run(ctx, signals)
	return res, errors.Join(err, state.Close())
}

func (s *Supervisor) run(ctx context.Context, signals <-chan os.Signal) (Result, error) {
	s.state.KeepSockets = true // until it is known that there are none to be taken up, or they were
	left, err := findUnfinished(s.state)
	if err != nil {
		return Result{}, err
	}
	s.state.KeepSockets = left != nil && len(left.handlers) > 0
	if err := s.state.Socks.Clear(left.sockets()); err != nil {
		return Result{}, err
	}
	if left == nil && s.cfg.Handover == nil {
		if err := s.threads.CheckLeft(); err != nil {
			s.state.Unmake()
			return Result{}, err
		}
	}
	if s.listener, err = listen(s.cfg); err != nil {
		s.state.Unmake()
		return Result{}, err
	}
	defer s.listener.Close()
	if err := s.openHTTP(left != nil); err != nil {
		return Result{}, err
	}
	defer s.closeHTTP()
	s.threads.Prepare(s.cfg.Logger, s.cfg.Clients.Count)
	s.cfg.Overload.InboxMemory = config.Size(reserve.BoundMemory(s.cfg.Logger, uint64(s.cfg.Overload.InboxMemory)))
	// A run that goes on has clients to serve, with or without another handler.
	var ready []*child.Child
	switch first, err := s.startHandler(ctx); {
	case err == nil:
		ready = append(ready, first)
	case left == nil:
		return Result{}, fmt.Errorf("no handler starts: %w", err)
	default:
		s.cfg.Logger.Error("no handler starts; the run goes on with those it has", "error", err)
	}
	s.pool = pool.New(s.cfg.Handler.Pool, s.startHandler, s.stopIdle, s.handlerDied, s.cfg.Logger)
	s.pool.Threads = s.threads
	s.pool.Kept = func() int { n, _ := s.gate.Away(netip.Addr{}); return n }
	if s.control, err = newControl(s); err != nil {
		for _, c := range ready {
			s.stopHandler(c)
		}
		return Result{}, err
	}
	stopPool := inBackground(ctx, func(ctx context.Context) { s.pool.Run(ctx, ready...) })
	s.stopControl = inBackground(ctx, s.control.Run)
	defer s.stopControl()
	overHTTP, stopHTTP := s.serveHTTP(ctx)
	stopWatch := func() {}
	if s.cfg.Watch != nil {
		stopWatch = inBackground(ctx, func(ctx context.Context) { s.cfg.Watch(ctx, s.status) })
	}
	stopUpkeep := inBackground(ctx, s.upkeep)
	res, kept, err := s.runs(ctx, signals, left)
	stopUpkeep()
	stopWatch()
	if kept == nil {
		overHTTP()
	}
	stopHTTP()
	stopPool()
	if kept != nil && err == nil {
		// No child may be started from here on: that would close what is handed over.
		s.control.kept, s.state.KeepSockets = true, true
		if res.Handover, err = s.handOver(kept, signals); err == nil {
			res.Handover.Verdict = res.Verdict
		}
	}
	return res, err
}

// inBackground runs a part of the supervisor until stop is called, which waits for its
// end. It does not end with ctx.
func inBackground(ctx context.Context, part func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { // ended and awaited by stop
		defer close(done)
		part(ctx)
	}()
	return func() { cancel(); <-done }
}

// runs serves one run after the other, first the one that was left unfinished. kept is
// not nil when the run is to be gone on with by another program.
func (s *Supervisor) runs(ctx context.Context, signals <-chan os.Signal, left *unfinished) (res Result, kept []*link, err error) {
	res.Verdict = s.cfg.Handover.verdict()
	if s.onlyReport(left) {
		word, err := s.reportLeft(ctx, left)
		if err != nil {
			return res, nil, err
		}
		res.Verdict = res.Verdict.Worse(word)
		if res.Runs++; !s.cfg.KeepRunning {
			return res, nil, nil
		}
		s.state.KeepSockets, left = false, nil
	}
	for announce := true; ; announce = false {
		r, err := s.nextRun(ctx, left)
		if err != nil {
			return res, nil, err // the handlers of a run that cannot be taken up keep their sockets for another try
		}
		s.state.KeepSockets, left = false, nil
		end := s.oneRun(ctx, r, signals, announce)
		if end.kept != nil {
			return res, end.kept, nil
		}
		if end.err != nil {
			return res, nil, end.err
		}
		res.Verdict = res.Verdict.Worse(end.word)
		if !end.idle {
			res.Runs++
		}
		if end.stopped || !s.cfg.KeepRunning {
			return res, nil, nil
		}
	}
}

// nextRun takes up the run that was left, or begins a new one.
func (s *Supervisor) nextRun(ctx context.Context, left *unfinished) (*run, error) {
	if left != nil {
		if r, err := s.takeUp(ctx, left); r != nil || err != nil {
			return r, err
		}
	}
	id, dir, err := s.state.NewRunDir(time.Now())
	if err != nil {
		return nil, err
	}
	if err := writeRunFile(s.cfg, id, dir, s.listener.Addr()); err != nil {
		return nil, err
	}
	r, err := newRun(s.cfg, id, dir, s.listener.Addr(), s.pool, s.gate)
	if err != nil {
		return nil, err
	}
	r.latest = func() error { return s.state.Point(rundir.LatestLink, id) }
	if !s.cfg.KeepRunning { // otherwise when its first client has come
		r.becomeLatest()
	}
	return r, nil
}

// runEnd is how a run ended.
type runEnd struct {
	stopped bool // by an operator
	word    report.Word
	idle    bool    // nobody came, and nothing is kept of it
	kept    []*link // not nil if it goes on in another program
	err     error
}

// oneRun serves a run and reports it.
func (s *Supervisor) oneRun(ctx context.Context, r *run, signals <-chan os.Signal, announce bool) runEnd {
	s.setCurrent(r)
	s.cfg.Logger.Info("supervisor ready", append([]any{"listen", s.listener.Addr().String(), "run", r.id, "run_dir", r.dir,
		"clients_expected", s.cfg.Clients.Count}, absentees(r.absent())...)...)
	notify(s.cfg.Logger, "READY=1")
	if announce && s.cfg.Ready != nil {
		s.cfg.Ready(Ready{Listen: s.listener.Addr().String(), RunDir: r.dir, HTTP: s.httpAddr()})
	}
	stopped, failure := s.serve(ctx, r, signals)
	if errors.Is(failure, errUpgrading) {
		kept := r.suspend()
		s.setCurrent(nil)
		return runEnd{kept: kept, err: r.journal.Close()}
	}
	s.setCurrent(nil)
	if err := r.journal.Close(); err != nil && failure == nil {
		failure = err
	}
	// The next run of a supervisor that keeps running is no run that went wrong just
	// because the supervisor was stopped before anybody came.
	idle := s.cfg.KeepRunning && stopped && failure == nil && r.nobodyCame()
	if idle && r.refused.Load() == 0 && r.shedding.Total.Load() == 0 {
		if gone, err := s.state.Forget(r.id); gone || err != nil {
			s.cfg.Logger.Info("nobody came to the last run; nothing is kept of it", "run", r.id)
			return runEnd{stopped: true, word: report.WordComplete, idle: true, err: err}
		}
	}
	rep, err := writeReport(r.dir, failure)
	if rep != nil && s.cfg.Report != nil {
		s.cfg.Report(rep, r.dir)
	}
	if err := errors.Join(failure, err); err != nil {
		return runEnd{stopped: stopped, err: err}
	}
	s.state.Served(r.id)
	word := rep.Verdict.Word
	if named := slices.ContainsFunc(rep.RejectionGroups, func(g report.RejectionGroup) bool { return g.ClientName != "" }); idle && !named {
		word = report.WordComplete
	}
	return runEnd{stopped: stopped, word: word}
}

// serve serves a run to its last record. It returns errUpgrading, and the run goes on
// without its connections being accepted, when it is to be suspended.
func (s *Supervisor) serve(ctx context.Context, r *run, signals <-chan os.Signal) (stopped bool, failure error) {
	now, cut := context.WithCancelCause(ctx) // done when the run must end at once
	defer cut(nil)
	r.checkFolder() // what is there as it begins
	gate := &accepting{run: r, listener: s.listener}
	gate.open()
	stopWatch := inBackground(ctx, r.watch)
	defer stopWatch()
	stopPauses := inBackground(ctx, r.watchPauses)
	defer stopPauses()
	stopOperator := inBackground(ctx, func(ctx context.Context) { stopped = s.operate(ctx, r, signals, gate, cut) })
	cause := r.await(now)
	stopOperator()
	cause = overOr(now, cause)
	gate.close()
	if errors.Is(cause, errUpgrading) {
		return false, cause
	}

	text := "the run is over"
	if cause != nil {
		text = cause.Error()
	}
	r.end(text)
	ended := &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_DONE, Detail: r.drainReason()}
	switch {
	case errors.Is(cause, errInterrupted), errors.Is(cause, context.Canceled):
		ended.Reason, ended.Detail = bulkheadv1.RunEnd_RUN_END_INTERRUPTED, text
		stopped = true
	case errors.Is(cause, errDrainDeadline):
		ended.Reason, ended.Detail = bulkheadv1.RunEnd_RUN_END_DRAINED, text
		stopped = true
	case cause != nil:
		return true, cause // the journal has failed; nothing more can be recorded
	case stopped:
		ended.Reason = bulkheadv1.RunEnd_RUN_END_DRAINED
	}
	failpoint.Hit("supervisor/before-run-ended")
	if !r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunEnded{RunEnded: ended}}) {
		return true, <-r.failed
	}
	failpoint.Hit("supervisor/after-run-ended")
	return stopped, nil
}

// overOr is why a run ends of which await says cause. One that is over in the moment in
// which it is to be upgraded is upgraded: that is what its operator was told.
func overOr(now context.Context, cause error) error {
	if asked := context.Cause(now); cause == nil && errors.Is(asked, errUpgrading) {
		return asked
	}
	return cause
}

// accepting is whether connections are taken for a run. One goroutine uses it.
type accepting struct {
	run      *run
	listener *net.TCPListener
	stop     func() // nil while closed
}

func (a *accepting) open() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ended and awaited by stop
		defer close(done)
		a.run.accept(ctx, a.listener)
	}()
	a.stop = func() { cancel(); <-done }
}

// close returns when no further connection is taken. They wait in the kernel's
// backlog then.
func (a *accepting) close() {
	if a.stop != nil {
		a.stop()
		a.stop = nil
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
	if r != nil {
		s.last = r
	}
}

// currentRun is the run being served; nil between runs.
func (s *Supervisor) currentRun() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// lastRun is the run that was served last; nil before the first.
func (s *Supervisor) lastRun() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// startHandler starts a handler with the environment and descriptors it needs and
// no other.
func (s *Supervisor) startHandler(ctx context.Context) (c *child.Child, err error) {
	if err := reserve.RoomForHandler(); err != nil {
		return nil, fmt.Errorf("starting handler: %w", err)
	}
	done, err := s.threads.Begin()
	if err != nil {
		return nil, fmt.Errorf("starting handler: %w", err)
	}
	defer func() { done(c.Pid(), err) }()
	folder, again, err := s.state.Socks.Folder()
	if err != nil {
		return nil, fmt.Errorf("starting handler: %w", err)
	}
	if again {
		s.cfg.Logger.Warn("the folder for the handlers' sockets was removed, and is made again; handlers that had theirs in it serve on, and cannot be taken up by another supervisor", "folder", folder)
	}
	return child.Start(ctx, s.handlerConfig(folder))
}

func (s *Supervisor) handlerConfig(socketFolder string) child.Config {
	return child.Config{
		Name: "handler", Path: s.cfg.Handler.Path, Dir: "/",
		Env: append([]string{
			"GOMAXPROCS=1",
			"GOMEMLIMIT=" + strconv.FormatUint(uint64(s.cfg.Handler.MemoryLimit), 10),
		}, failpoint.Env()...),
		SocketDir: socketFolder, MaxMessageBytes: maxMessageBytes,
		MemoryMax: uint64(s.cfg.Handler.MemoryMax), BoxBytes: int(s.cfg.Session.MaxFrame) + boxSlack,
		StartTimeout: s.cfg.Handler.StartTimeout, KillTimeout: s.cfg.Handler.KillTimeout,
		Blocking: s.threads.Limit(),
		Logger:   s.cfg.Logger.With("from", filepath.Base(s.cfg.Handler.Path)),
	}
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

// stopIdle is stopHandler for a handler that never had a client.
func (s *Supervisor) stopIdle(c *child.Child) child.Exit {
	ctx, cancel := context.WithTimeout(context.Background(), min(idleGrace, s.cfg.Handler.KillTimeout))
	defer cancel()
	return c.Stop(ctx)
}

// handlerDied is told of handlers that died in the pool.
func (s *Supervisor) handlerDied(e child.Exit) {
	if r := s.currentRun(); r != nil {
		r.handlerDied(&bulkheadv1.HandlerExited{Exit: e.Proto(nil)})
	}
}
