package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"bulkhead/client/names"
	"bulkhead/client/outbox"
	"bulkhead/client/preflight"
	"bulkhead/client/session"
	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/removal"
	"bulkhead/internal/substance"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// abortDelivery is how long a client that was stopped at once tries to deliver.
const abortDelivery = time.Second

// checkEnd is how long the checks before the load may take to notice that they are
// no longer wanted.
const checkEnd = 2 * time.Second

// checkLong is after how long the checks before the load are said to take long. They
// time every kind of consumer for a tenth of a second, and a sync.
const checkLong = 15 * time.Second

// removeWorkDir is how long it may take to remove the working folder, with what workers have left.
const removeWorkDir = 10 * time.Second

// client is one run of the load.
type client struct {
	cfg     spec.Config
	id      spec.ClientID
	hello   *bulkheadv1.Hello
	workDir string
	alive   *os.File // locks workDir; nil if it cannot be locked
	outbox  *outbox.Outbox
	folders *site.Folders
	tally   tally
	session *runningSession

	// stuck says that the checks before the load do not return, so their folders
	// are still in use.
	stuck bool
	// unended says that a consumer did not even end when it was killed.
	unended bool
	// written says that there may be load files.
	written bool
}

// runningSession is a session and the goroutine that runs it.
type runningSession struct {
	*session.Session
	done   chan struct{} // closed when the session has ended
	err    error         // why; read it after done is closed; nil if closed in order
	cancel context.CancelCauseFunc
}

// Run runs a client from the checks before its load to the exit of its last process. The first
// signal from interrupts ends the load in order, the second, or the end of ctx, at
// once. The Result is always set. An error says why there was no load: it wraps
// ErrConfig if the configuration cannot work. Everything after the beginning of the
// load is in Result.Problems instead.
func Run(ctx context.Context, cfg spec.Config, signals <-chan os.Signal) (Result, error) {
	cfg, err := cfg.Resolve()
	if err != nil {
		return Result{Verdict: VerdictUnworkable}, err
	}
	if err := session.CheckFiles(cfg.TLS, cfg.TokenFile); err != nil {
		return Result{Verdict: VerdictUnworkable}, fmt.Errorf("%w:\n%w", spec.ErrConfig, err)
	}
	if err := preflight.CheckDescriptors(cfg.Widest(), preflight.DescriptorLimit()); err != nil {
		return Result{Verdict: VerdictUnworkable}, fmt.Errorf("%w:\n%w", spec.ErrConfig, err)
	}
	secret := cfg.Secret
	if secret == (spec.Secret{}) {
		secret = spec.NewSecret()
	}
	c := &client{cfg: cfg, id: secret.ID()}
	if c.workDir, c.alive, err = site.MakeWorkDir(cfg.WorkDir); err != nil {
		return Result{Verdict: VerdictUnworkable}, err
	}
	defer c.alive.Close() // also of nil, which it says and nobody needs to know
	c.folders = site.New(cfg.Widest(), c.id)
	c.hello = helloOf(cfg, secret, c.folders)
	c.outbox = outbox.New(c.hello, cfg.SpoolMemory, cfg.SpoolMaxSize, filepath.Join(c.workDir, names.Spool))
	stop := watchInterrupts(ctx, signals, cfg.Logger)
	defer stop.close()

	var sessions sync.WaitGroup
	result, err := c.run(ctx, stop, &sessions)
	if c.session != nil {
		c.session.cancel(errors.New("the client has ended"))
	}
	sessions.Wait()
	c.leave(stop, &result)
	if err != nil {
		if errors.Is(err, ErrInterrupted) {
			result.Verdict = VerdictInterrupted
		}
		return result, err
	}
	if newest := c.session.Newest; newest != nil {
		result.RunID, result.SessionID = newest.GetRunId(), newest.GetSessionId()
	}
	result.moves = c.session.Moves
	result.judge(c.session.err)
	return result, nil
}

// openSession begins to connect. The goroutine ends with the session, at the latest
// when it is cancelled.
func (c *client) openSession(ctx context.Context, sessions *sync.WaitGroup) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx)) // outlives an abort, to say so
	c.session = &runningSession{
		Session: session.New(c.cfg, c.hello, c.outbox),
		done:    make(chan struct{}),
		cancel:  cancel,
	}
	c.session.Continues = true
	sessions.Go(func() {
		defer close(c.session.done)
		c.session.err = c.session.Run(ctx)
	})
}

// run checks, connects, loads and delivers. An error says why there was no load. A
// client that cannot work never connects: the run continues as if there were none.
func (c *client) run(ctx context.Context, stop *interrupts, sessions *sync.WaitGroup) (Result, error) {
	result := Result{ClientID: c.id.String(), Verdict: VerdictFailed, Runtime: c.cfg.Runtime}
	if err := c.check(stop); err != nil {
		if errors.Is(err, spec.ErrConfig) {
			result.Verdict = VerdictUnworkable
		}
		return result, err
	}
	c.hello.Workload = workloadOf(c.cfg, c.folders) // with what the checks found out
	if err := checkHelloSize(c.hello); err != nil {
		result.Verdict = VerdictUnworkable
		return result, err
	}
	shared, err := newBudget(c.cfg)
	if err != nil {
		return result, err
	}
	defer shared.Close() // nothing can come of it but that it was closed
	c.openSession(ctx, sessions)
	if err := c.connect(stop); err != nil {
		return result, err
	}
	result.RunID, result.SessionID = c.session.First.GetRunId(), c.session.First.GetSessionId()
	c.enter(stop, result.RunID)

	why, over := early(stop, c.session)
	var exits []*bulkheadv1.ProcessExit
	if !over {
		c.say(&bulkheadv1.Message{Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}}})
		c.written = true
		load := &load{cfg: c.cfg, id: c.id, folders: c.folders, outbox: c.outbox, tally: &c.tally, session: c.session,
			shared: shared}
		var long lasted
		why, long = load.run(stop, c.workDir)
		result.Load, result.Reached = long.all, long.reached
		exits, result.CrashedWorkers = load.workers.exits(), load.crashed(stop.abort)
		result.cut = load.workers.cut()
		c.unended = slices.ContainsFunc(exits, func(e *bulkheadv1.ProcessExit) bool {
			return e.GetClass() == bulkheadv1.ExitClass_EXIT_CLASS_NEVER
		})
		if why.reason != bulkheadv1.StopReason_STOP_REASON_FAILED { // which says it
			result.missing, result.Notes = substance.Judge(load.judgeable(why, long))
		}
	}
	result.Reason, result.Detail = why.reason, why.detail
	c.sayLast(why, exits, result.Reached)
	c.cfg.Logger.Info("the load has ended; delivering its messages",
		"undelivered_messages", c.outbox.State().Undelivered())
	c.deliver(stop)
	return result, nil
}

// enter notes the run in the client's folders. A file system that has stopped to answer
// since the checks does not keep the client: the consumers will tell.
func (c *client) enter(stop *interrupts, run string) {
	entered := make(chan struct{})
	go func() { // outlives Run in a system call at worst
		defer close(entered)
		c.folders.Enter(run)
	}()
	timer := time.NewTimer(checkEnd)
	defer timer.Stop()
	select {
	case <-entered:
	case <-timer.C:
	case <-stop.abort.Done():
	}
}

// connect waits for the Welcome.
func (c *client) connect(stop *interrupts) error {
	select {
	case <-c.session.Welcomed:
		return nil
	case <-c.session.done:
		return c.session.err
	case <-stop.orderly:
		return c.awaitAnswer(stop)
	case <-stop.abort.Done():
		return context.Cause(stop.abort)
	}
}

// answerTimeout bounds how long an interrupted client waits for the answer to a Hello
// that is out: a supervisor that knows the client already must hear that it ends, or
// it takes the session for lost.
const answerTimeout = 2 * time.Second

// awaitAnswer ends a client that was interrupted before it saw a Welcome. It returns
// nil if the Welcome came all the same, and errEarly if there is no session.
func (c *client) awaitAnswer(stop *interrupts) error {
	if !c.session.Asked.Load() && !c.session.IsWelcomed() {
		return errEarly
	}
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	select {
	case <-c.session.Welcomed:
		return nil
	case <-c.session.done:
		return errEarly
	case <-timer.C:
		return errEarly
	case <-stop.abort.Done():
		return context.Cause(stop.abort)
	}
}

// errEarly is why a client that was interrupted has no session.
var errEarly = fmt.Errorf("%w before the supervisor answered", ErrInterrupted)

// check runs the checks before the load, which need no supervisor. An error that wraps
// ErrConfig says that the load cannot work; another one, that there is no time for it.
func (c *client) check(stop *interrupts) error {
	ctx, cancel := context.WithCancelCause(stop.abort)
	defer cancel(nil)
	checked := make(chan error, 1)
	go func() { // ends when ctx is done, or outlives Run in a system call: see stuck
		checked <- preflight.Check(ctx, c.cfg.Widest(), c.folders)
	}()
	long := time.AfterFunc(checkLong, func() {
		c.cfg.Logger.Warn("the checks before the load take long; does the file system answer?",
			"paths", c.folders.Consumers)
	})
	defer long.Stop()
	select {
	case err := <-checked:
		if stop.abort.Err() != nil {
			return context.Cause(stop.abort)
		}
		return err
	case <-stop.orderly:
		c.giveUpCheck(checked, cancel)
		return errEarly
	case <-stop.abort.Done():
		c.giveUpCheck(checked, cancel)
		return context.Cause(stop.abort)
	}
}

// giveUpCheck gives the checks a moment to return.
func (c *client) giveUpCheck(checked <-chan error, cancel context.CancelCauseFunc) {
	cancel(errors.New("interrupted"))
	timer := time.NewTimer(checkEnd)
	defer timer.Stop()
	select {
	case <-checked:
	case <-timer.C:
		c.stuck = true
	}
}

// say puts a message about the client itself in the outbox. It cannot be full: only
// Start is said so, before any load.
func (c *client) say(m *bulkheadv1.Message) {
	m.Process = clientProcess()
	if err := c.outbox.Add(m); err != nil {
		c.cfg.Logger.Error("message not kept: " + err.Error())
	}
}

// sayLast puts the aggregated Stop in the outbox, behind everything else.
func (c *client) sayLast(why ending, exits []*bulkheadv1.ProcessExit, reached time.Duration) {
	m := &bulkheadv1.Message{Process: clientProcess(), Fact: &bulkheadv1.Message_Stop{Stop: &bulkheadv1.Stop{
		Reason:             why.reason,
		Detail:             spec.Clip(why.detail),
		Exits:              exits,
		RuntimeReachedNano: int64(reached),
	}}}
	if err := c.outbox.AddLast(m); err != nil {
		c.cfg.Logger.Error("stop message not kept: " + err.Error())
	}
}

// deliver waits until the session has closed, no longer than the delivery may take.
func (c *client) deliver(stop *interrupts) {
	limit, abort := c.cfg.DeliverTimeout, stop.abort.Done()
	if stop.abort.Err() != nil {
		limit, abort = min(limit, abortDelivery), nil
	}
	began := time.Now()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.session.done:
	case <-abort:
		c.session.cancel(errAborted)
	case <-timer.C:
		c.session.cancel(errors.New(spec.Measured("not delivered in", time.Since(began), limit)))
	}
	<-c.session.done
}

// leave removes what the client made, but for what must be kept, and completes the
// result. The session has ended.
func (c *client) leave(stop *interrupts, result *Result) {
	sums, box := c.tally.totals(), c.outbox.State()
	result.Files, result.Bytes, result.Chunks, result.Errors = sums.Files, sums.Bytes, sums.Chunks, sums.Errors
	result.LastError = sums.LastError
	result.Writing = min(max(0, time.Duration(sums.To-sums.From)), result.Load) // the clock may have been set
	result.VerifiedBytes, result.CorruptBlocks, result.FirstCorruption = sums.VerifiedBytes, sums.Corrupt,
		sums.FirstCorruption
	result.ReadBytes, result.Reads = sums.ReadBytes, sums.Reads
	result.Messages, result.Dropped, result.Undelivered = box.Last, box.Dropped, box.Last-box.Acked
	result.Delivered = box.Drained
	result.Closed = c.session != nil && c.session.err == nil
	var err error
	if result.SpoolPath, err = c.outbox.Close(); err != nil {
		c.cfg.Logger.Error(err.Error())
		result.Problems = append(result.Problems, err.Error())
	}
	if result.SpoolPath != "" && !session.Quarantined(c.session.err) {
		result.ResendCommand = resendCommand(c.cfg, result.SpoolPath)
	}
	if result.SpoolPath == "" {
		if err := removal.Tree(c.workDir, removeWorkDir); err != nil {
			c.cfg.Logger.Error("removing the working folder: " + err.Error())
		}
	}
	if !c.stuck { // otherwise a check still makes some
		c.folders.Close()
	}
	switch {
	case c.stuck:
		c.cfg.Logger.Error("a check of a path is stuck in a system call; its folder stays",
			"paths", c.folders.Consumers)
	case c.cfg.Keep && c.written:
		result.LoadPaths = c.folders.Consumers
	default:
		r := site.Removal{Executable: c.cfg.Executable, Paths: c.folders.Paths(), Stall: site.RemoveStall,
			Log: c.cfg.Logger}
		if c.unended {
			r.Stall = site.RemoveStuck
		}
		if err := r.Run(stop.abort, c.folders.Leave); err != nil {
			c.cfg.Logger.Error(err.Error())
			result.Problems = append(result.Problems, strings.Split(err.Error(), "\n")...)
		}
	}
}
