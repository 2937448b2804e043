package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// abortDelivery is how long a client that was stopped at once tries to deliver.
const abortDelivery = time.Second

// checkEnd is how long the checks before the load may take to notice that they are
// not wanted any more.
const checkEnd = 2 * time.Second

// client is one run of the load.
type client struct {
	cfg     Config
	id      clientID
	workDir string
	outbox  *outbox
	folders *folders
	tally   tally
	session *runningSession

	// stuck says that the checks before the load do not return, so their folders
	// are still in use.
	stuck bool
	// written says that there may be load files.
	written bool
}

// runningSession is a session and the goroutine that runs it.
type runningSession struct {
	*session
	done   chan struct{} // closed when the session has ended
	err    error         // why; read it after done is closed; nil if closed in order
	cancel context.CancelCauseFunc
}

// Run runs a client from the connect to the exit of its last process. The first
// signal from interrupts ends the load in order, the second, or the end of ctx, at
// once. The Result is always set. An error says why there was no load: it wraps
// ErrConfig if the configuration cannot work. Everything after the beginning of the
// load is in Result.Problems instead.
func Run(ctx context.Context, cfg Config, signals <-chan os.Signal) (Result, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return Result{Verdict: VerdictUnworkable}, err
	}
	c := &client{cfg: cfg, id: newClientID()}
	if c.workDir, err = os.MkdirTemp(cfg.WorkDir, "bulkhead-"); err != nil {
		return Result{Verdict: VerdictUnworkable}, fmt.Errorf("%w: making the working folder: %w", ErrConfig, err)
	}
	c.outbox = newOutbox(c.id, cfg.SpoolMemory, cfg.SpoolMaxSize, filepath.Join(c.workDir, "spool"))
	c.folders = newFolders(cfg, c.id)
	stop := watchInterrupts(ctx, signals, cfg.Logger)
	defer stop.close()

	var sessions sync.WaitGroup
	c.openSession(ctx, &sessions)
	result, err := c.run(stop)
	c.session.cancel(errors.New("the client has ended"))
	sessions.Wait()
	c.leave(&result)
	if err != nil {
		return result, err
	}
	result.judge(c.session.err, stop.abort.Err() != nil)
	return result, nil
}

// openSession begins to connect. The goroutine ends with the session, at the latest
// when it is cancelled.
func (c *client) openSession(ctx context.Context, sessions *sync.WaitGroup) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx)) // outlives an abort, to say so
	c.session = &runningSession{
		session: newSession(c.cfg, helloOf(c.cfg, c.id, c.folders), c.outbox),
		done:    make(chan struct{}),
		cancel:  cancel,
	}
	sessions.Go(func() {
		defer close(c.session.done)
		c.session.err = c.session.run(ctx)
	})
}

// run connects, checks, loads and delivers. An error says why there was no load.
func (c *client) run(stop *interrupts) (Result, error) {
	result := Result{ClientID: c.id.String(), Verdict: VerdictFailed}
	if err := c.connect(stop); err != nil {
		return result, err
	}
	result.RunID, result.SessionID = c.session.first.GetRunId(), c.session.first.GetSessionId()

	why, unworkable := c.check(stop)
	var exits []*bulkheadv1.ProcessExit
	if why.reason == bulkheadv1.StopReason_STOP_REASON_UNSPECIFIED {
		c.say(&bulkheadv1.Message{Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}}})
		c.written = true
		load := &load{cfg: c.cfg, folders: c.folders, outbox: c.outbox, tally: &c.tally, session: c.session}
		why, result.Load = load.run(stop, c.workDir)
		exits, result.CrashedWorkers = load.workers.exits(), load.crashed(stop.abort)
	}
	result.Reason, result.Detail = why.reason, why.detail
	c.sayLast(why, exits)
	c.deliver(stop)
	if unworkable != nil {
		result.Verdict = VerdictUnworkable
	}
	return result, unworkable
}

// connect waits for the Welcome.
func (c *client) connect(stop *interrupts) error {
	select {
	case <-c.session.welcomed:
		return nil
	case <-c.session.done:
		return c.session.err
	case <-stop.orderly:
		return errors.New("interrupted before the supervisor was reached")
	case <-stop.abort.Done():
		return context.Cause(stop.abort)
	}
}

// check runs the checks before the load. An ending says that there must be no load;
// the error, that this is because it cannot work.
func (c *client) check(stop *interrupts) (ending, error) {
	ctx, cancel := context.WithCancelCause(stop.abort)
	defer cancel(nil)
	checked := make(chan error, 1)
	go func() { // ends when ctx is done, or outlives Run in a system call: see stuck
		checked <- preflight(ctx, c.cfg, c.folders)
	}()
	var err error
	select {
	case err = <-checked:
	case <-stop.orderly:
		err = c.abandonCheck(checked, cancel)
	case <-stop.abort.Done():
		err = c.abandonCheck(checked, cancel)
	}
	if why, over := early(stop, c.session); over {
		return why, nil
	}
	if err != nil {
		return ending{reason: bulkheadv1.StopReason_STOP_REASON_FAILED, detail: err.Error()}, err
	}
	return ending{}, nil
}

// abandonCheck gives the checks a moment to return.
func (c *client) abandonCheck(checked <-chan error, cancel context.CancelCauseFunc) error {
	cancel(errors.New("interrupted"))
	timer := time.NewTimer(checkEnd)
	defer timer.Stop()
	select {
	case err := <-checked:
		return err
	case <-timer.C:
		c.stuck = true
		return nil
	}
}

// say puts a message about the client itself in the outbox. It cannot be full: only
// Start is said so, before any load.
func (c *client) say(m *bulkheadv1.Message) {
	m.Process = clientProcess()
	if err := c.outbox.add(m); err != nil {
		c.cfg.Logger.Error("message not kept: " + err.Error())
	}
}

// sayLast puts the aggregated Stop in the outbox, behind everything else.
func (c *client) sayLast(why ending, exits []*bulkheadv1.ProcessExit) {
	m := &bulkheadv1.Message{Process: clientProcess(), Fact: &bulkheadv1.Message_Stop{Stop: &bulkheadv1.Stop{
		Reason: why.reason,
		Detail: clip(why.detail),
		Exits:  exits,
	}}}
	if err := c.outbox.addLast(m); err != nil {
		c.cfg.Logger.Error("stop message not kept: " + err.Error())
	}
}

// deliver waits until the session has closed, no longer than the delivery may take.
func (c *client) deliver(stop *interrupts) {
	limit, abort := c.cfg.DeliverTimeout, stop.abort.Done()
	if stop.abort.Err() != nil {
		limit, abort = min(limit, abortDelivery), nil
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.session.done:
	case <-abort:
		c.session.cancel(errAborted)
	case <-timer.C:
		c.session.cancel(fmt.Errorf("not delivered in %s", limit))
	}
	<-c.session.done
}

// leave removes what the client made, but for what must be kept, and completes the
// result. The session has ended.
func (c *client) leave(result *Result) {
	sums, box := c.tally.totals(), c.outbox.state()
	result.Files, result.Bytes, result.Chunks, result.Errors = sums.Files, sums.Bytes, sums.Chunks, sums.Errors
	result.Messages, result.Dropped, result.Undelivered = box.last, box.dropped, box.last-box.acked
	result.Delivered = box.drained
	result.Closed = c.session.err == nil
	var err error
	if result.SpoolPath, err = c.outbox.close(); err != nil {
		c.cfg.Logger.Error(err.Error())
	}
	if result.SpoolPath == "" {
		if err := os.RemoveAll(c.workDir); err != nil {
			c.cfg.Logger.Error("removing the working folder: " + err.Error())
		}
	}
	switch {
	case c.stuck:
		c.cfg.Logger.Error("a check of a path is stuck in a system call; its folder stays", "paths", c.folders.consumers)
	case c.cfg.Keep && c.written:
		result.LoadPaths = c.folders.consumers
	default:
		if err := c.folders.remove(); err != nil {
			c.cfg.Logger.Error(err.Error())
		}
	}
}
