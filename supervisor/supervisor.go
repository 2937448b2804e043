package supervisor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"

	"bulkhead/internal/child"
	"bulkhead/internal/config/value"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/linkzone"
	"bulkhead/internal/sandbox"
	"bulkhead/supervisor/campaign"
	"bulkhead/supervisor/custody"
	"bulkhead/supervisor/door"
	"bulkhead/supervisor/pool"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/reserve"
	"bulkhead/supervisor/rundir"
	"bulkhead/supervisor/upgrade"
)

// Result is how a supervisor's runs went.
type Result struct {
	// Runs is how many runs were reported.
	Runs int
	// Verdict is that of the worst of them.
	Verdict report.Word
	// Inheritance is what the next program in this process continues with, when an upgrade
	// was asked for; nil otherwise. The run is neither over nor reported then, and
	// the process must do nothing more but Inheritance.Exec.
	Inheritance *upgrade.Inheritance
}

// Supervisor serves clients; see the package comment.
type Supervisor struct {
	cfg      Config
	state    *rundir.StateDir
	listener *net.TCPListener
	pool     *pool.Pool
	spawner  *child.Spawner // nil for none
	threads  *reserve.Threads
	custody  *custody.Custody
	garbage  *reserve.Garbage // nil if it is left to the runtime
	logs     *child.Logs      // of all handlers; nil in a pre-flight
	gate     *door.Gate
	drains   chan string     // asks for a drain; holds one
	begins   chan *beginning // asks for a run of a job's
	next     *beginning      // what the next run is for; nil for none. The goroutine of runs has it
	desk     *campaign.Desk
	first    chan *run     // receives the first run that is served
	taking   chan struct{} // closed when jobs are taken
	jobOver  chan struct{} // closed when the job is over that the supervisor was started for
	// order is the job that the supervisor was started for, nil if it was not taken, and orderErr why. The
	// goroutine of jobs has both.
	order    *campaign.Order
	orderErr error
	signals  <-chan os.Signal
	upgrades chan upgradeRequest // asks for an upgrade
	overdue  chan struct{}       // closed when an upgrade that has begun takes too long
	control  *controlServer
	// stopControl ends control, as soon as it is called.
	stopControl func()
	http        *net.TCPListener // for browsers; nil if there are to be none

	mu      sync.Mutex
	current *run // guarded by mu; nil before the first run and between two
	last    *run // guarded by mu; the newest that was current; nil before the first
}

// Run runs a supervisor: it opens the state directory and the listener, resumes the run that a
// supervisor before it left unfinished or begins one, serves it, or with KeepRunning one after the
// other, and writes the reports.
//
// The first SIGINT or SIGTERM on signals, or a drain asked for on the control socket,
// drains; the second one, or the end of ctx, ends the run at once. The report is
// written in every case. SIGHUP, or an upgrade asked for on the control socket, makes
// Run return with Result.Inheritance set, if the new program is fit. If the disk does not let go of
// the run then, Run returns an error after a while, and the process must end.
//
// An error that wraps ErrConfig or ErrLocked means that nothing was started, and so does
// one that says that the address is in use.
func Run(ctx context.Context, cfg Config, signals <-chan os.Signal) (Result, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return Result{}, err
	}
	// a run that is served continues
	err = reserve.CheckDescriptors(reserve.DescriptorLimit(), cfg.Clients.Count, cfg.Handler.Pool)
	if err != nil && cfg.Inherited == nil {
		return Result{}, err
	}
	room := reserve.NewThreads()
	if err := room.Check(); err != nil && cfg.Inherited == nil {
		return Result{}, err
	}
	held, err := custody.New(cfg.Handler, os.Geteuid(), cfg.Logger)
	if err != nil {
		return Result{}, err
	}
	state, err := rundir.Open(cfg.StateDir, cfg.Inherited.LockFile())
	if err != nil {
		return Result{}, err
	}
	s := &Supervisor{
		cfg: cfg, state: state, gate: door.NewGate(cfg.Overload, rand.IntN), threads: room,
		custody: held, logs: child.NewLogs(cfg.Logger), garbage: reserve.NewGarbage(),
		drains: make(chan string, 1), begins: make(chan *beginning), upgrades: make(chan upgradeRequest),
		overdue: make(chan struct{}), first: make(chan *run, 1), taking: make(chan struct{}),
		jobOver: make(chan struct{}), signals: signals,
	}
	s.desk = s.newDesk()
	type ended struct {
		res Result
		err error
	}
	end := make(chan ended, 1)
	go func() { // is waited for, or ends with the program: what holds it then is a disk
		res, err := s.run(ctx, signals)
		s.logs.Close()
		end <- ended{res, errors.Join(err, state.Close())}
	}()
	select {
	case e := <-end:
		return e.res, e.err
	case <-s.overdue:
		return Result{}, errNotLetGo
	}
}

func (s *Supervisor) run(ctx context.Context, signals <-chan os.Signal) (Result, error) {
	s.state.KeepSockets = true // until it is known that there are none to be adopted, or they were
	left, err := findUnfinished(s.state)
	if err != nil {
		return Result{}, err
	}
	if err := s.checkEngine(ctx, left); err != nil {
		return Result{}, err
	}
	s.state.KeepSockets = left != nil && len(left.handlers) > 0
	if err := s.state.Socks.Clear(left.sockets()); err != nil {
		s.cfg.Logger.Error("what handlers left behind stays", "error", err)
	}
	if left == nil && s.cfg.Inherited == nil {
		if err := s.threads.CheckLeft(); err != nil {
			s.state.Unmake()
			return Result{}, err
		}
	}
	if s.listener, err = door.Listen(s.cfg.Listen, s.cfg.Inherited.ListenerFile()); err != nil {
		s.state.Unmake()
		return Result{}, err
	}
	defer s.listener.Close()
	s.warnOfPlainText()
	if err := s.openHTTP(left != nil); err != nil {
		return Result{}, err
	}
	defer s.closeHTTP()
	s.threads.Prepare(s.cfg.Logger, s.cfg.Clients.Count)
	s.cfg.Overload.InboxMemory = value.Size(reserve.BoundMemory(s.cfg.Logger, uint64(s.cfg.Overload.InboxMemory)))
	// A run that continues has clients to serve, with or without another handler.
	var ready []*child.Child
	// The first comes without a spawner, which is the same program: what is wrong with that is said once.
	switch first, err := s.startHandler(ctx); {
	case err == nil:
		ready = append(ready, first)
	case errors.Is(err, sandbox.ErrNotLocked) && s.cfg.Inherited == nil: // whose pre-flight was better
		s.state.Unmake()
		return Result{}, fmt.Errorf("%w: %w", exitstatus.ErrConfig, err)
	case left == nil:
		s.state.Unmake()
		return Result{}, fmt.Errorf("no handler starts: %w", custody.Unfit(ctx, s.cfg.Handler.Path, s.cfg.Version, err))
	default:
		s.cfg.Logger.Error("no handler starts; the run continues with those it has", "error",
			custody.Unfit(ctx, s.cfg.Handler.Path, s.cfg.Version, err))
	}
	stopSpawner := s.startSpawner(ctx)
	defer stopSpawner()
	s.pool = pool.New(s.cfg.Handler.Pool, s.startHandler, s.stopIdle, s.handlerDied, s.cfg.Logger)
	s.pool.Threads = s.threads
	s.pool.Kept = s.sessionsAway
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
	stopLooking := inBackground(ctx, s.cfg.keeper.Run)
	stopJobs := inBackground(ctx, s.jobs)
	res, kept, err := s.runs(ctx, signals, left)
	stopJobs()
	s.desk.Leave(kept == nil && err == nil)
	if s.cfg.Job != nil && kept == nil && err == nil {
		res.Verdict, err = s.jobResult()
	}
	stopUpkeep()
	stopLooking()
	stopWatch()
	if kept == nil {
		overHTTP()
	}
	stopHTTP()
	stopPool()
	stopSpawner()
	if kept != nil && err == nil {
		// No child may be started from here on: that would close what is handed over.
		s.control.kept, s.state.KeepSockets = true, true
		if res.Inheritance, err = s.bequeath(kept, signals); err == nil {
			res.Inheritance.Verdict = res.Verdict
		}
	}
	return res, err
}

// warnOfPlainText warns, once for all programs that follow each other in this process, that clients of
// other machines are spoken to without TLS.
func (s *Supervisor) warnOfPlainText() {
	listen := s.listener.Addr().String()
	if s.cfg.credentials().TLS() == nil && s.cfg.Inherited == nil && !linkzone.Loopback(listen) {
		s.cfg.Logger.Warn("clients are spoken to in plain text: who is between can read and change everything, also "+
			"the token; set tls.cert and tls.key", "listen", listen)
	}
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

// askToDrain drains on behalf of the control API, and returns how many sessions are open.
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

// currentRun returns the run being served; nil between runs.
func (s *Supervisor) currentRun() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// lastRun returns the run that was served last; nil before the first.
func (s *Supervisor) lastRun() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}
