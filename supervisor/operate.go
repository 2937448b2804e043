package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/rundir"
	"bulkhead/supervisor/upgrade"
)

// settleTimeout is how long connections that no handler serves yet may hold up an
// upgrade.
const settleTimeout = 5 * time.Second

// upgradeRequest asks for an upgrade; done receives the answer.
type upgradeRequest struct {
	asker upgrade.Edition // of the program that asks; the zero edition is not told
	any   bool            // whatever is at the path is meant
	done  chan<- upgradeAnswer
}

// upgradeAnswer says how an upgrade is going: what the new program is, or why nothing was
// changed.
type upgradeAnswer struct {
	to  upgrade.Edition
	err error
}

// operator acts on signals and on what is asked for on the control socket, for one
// run. One goroutine owns it.
type operator struct {
	*Supervisor
	run      *run
	arrivals *accepting
	cut      context.CancelCauseFunc // ends the run at once
	draining bool
	deadline *time.Timer // of the drain
	// checks is not nil while the new program of an upgrade is being checked; asked
	// are those who wait for it.
	checks chan upgradeAnswer
	asked  []upgradeRequest
	// decided receives why the run is to be drained, from what is done beside; beside is held by that.
	decided chan drainFor
	beside  sync.Mutex
	missed  time.Duration // how long the journal's engine had not been there as deadline was set
}

// drainFor is why a run is to be drained.
type drainFor struct {
	cause  bulkheadv1.DrainCause
	reason string
}

// operate acts on signals, drains and upgrades until ctx is done or the run must end;
// it returns whether a drain was asked for.
func (s *Supervisor) operate(ctx context.Context, r *run, signals <-chan os.Signal, arrivals *accepting,
	cut context.CancelCauseFunc) bool {
	o := &operator{Supervisor: s, run: r, arrivals: arrivals, cut: cut, deadline: stoppedTimer(),
		decided: make(chan drainFor, 1)}
	defer o.deadline.Stop()
	checking, stop := context.WithCancel(ctx)
	defer o.dismiss() // after the check, if there is one, has ended
	defer stop()
	if s.cfg.Inherited.DrainReason() != "" && r.drainReason() == "" {
		o.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_OPERATOR, s.cfg.Inherited.DrainReason())
	}
	if r.drainReason() != "" {
		o.draining = true
		o.limit()
	} else if r.gathering.aborted != "" {
		o.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_GATHER, r.gathering.aborted)
	} else if r.asserting.aborted != "" {
		o.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_ASSERTION, r.asserting.aborted)
	}
	for {
		select {
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				o.check(checking, upgradeRequest{done: make(chan upgradeAnswer, 1)})
				continue
			}
			if o.draining && r.alone.CompareAndSwap(true, false) {
				continue // now it is the supervisor that drains
			}
			if o.draining {
				cut(errInterrupted)
				return true
			}
			if n := r.others.atWork(); n > 0 {
				s.cfg.Logger.Info("leaving the run to the other supervisors", "reason", fmt.Sprintf("received %s", sig),
					"others", n)
				cut(errLeaves)
				return true
			}
			o.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_OPERATOR, fmt.Sprintf("the supervisor received %s", sig))
		case b := <-s.begins:
			if err := o.makesWay(); err != nil {
				b.no <- err
				continue
			}
			s.next = b
			cut(errMakesWay)
			return false
		case end := <-r.jobEnds:
			if !o.draining {
				r.alone.Store(true)
				o.drain(end.cause(), end.reason)
			}
		case reason := <-s.drains:
			r.alone.Store(false)
			o.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_OPERATOR, reason)
		case d := <-r.drainElsewhere():
			o.drainsToo(d)
		case err := <-r.full:
			r.livesOnReserve.Store(true)
			s.cfg.Logger.Error(
				"the file system of the state directory is full; the run ends in order, with what was kept in reserve",
				"error", err)
			o.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_DISK_FULL,
				"the file system of the supervisor's state directory is full")
		case <-r.damaged:
			o.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_UNSPECIFIED, whyDamaged)
		case short := <-r.short:
			s.cfg.Logger.Error("the journal has little room left; the run ends in order", "reason", short.Why)
			o.drain(short.Cause, short.Why)
		case action := <-r.gathering.due:
			if !o.draining { // nobody begins any more
				o.decides(func() drainFor {
					return drainFor{bulkheadv1.DrainCause_DRAIN_CAUSE_GATHER, r.gatherEnds(action)}
				})
			}
		case <-r.joint.due:
			if !o.draining {
				o.decides(func() drainFor { r.stagesEnd(); return drainFor{} })
			}
		case <-r.dividing.due:
			if !o.draining {
				o.decides(func() drainFor { r.divide(); return drainFor{} })
			}
		case b := <-r.asserting.due:
			if !o.draining { // what follows is not the load that was asserted
				o.decides(func() drainFor { return r.breached(b) })
			}
		case <-r.patience.over:
			if !o.draining {
				o.decides(func() drainFor { r.waited(); return drainFor{} })
			}
		case d := <-o.decided:
			o.drain(d.cause, d.reason)
		case <-o.deadline.C:
			if o.late() {
				continue
			}
			cut(errDrainDeadline)
			return true
		case asked := <-s.upgrades:
			o.check(checking, asked)
		case answer := <-o.checks:
			o.checks = nil
			if o.upgrade(answer) {
				return o.draining
			}
		case <-ctx.Done():
			return o.draining
		}
	}
}

// drain begins the drain, once.
func (o *operator) drain(cause bulkheadv1.DrainCause, reason string) {
	if o.draining {
		return
	}
	o.draining = true
	if cause == bulkheadv1.DrainCause_DRAIN_CAUSE_GATHER || cause == bulkheadv1.DrainCause_DRAIN_CAUSE_ASSERTION {
		o.run.alone.Store(o.run.cfg.job != nil) // what a job's run comes to is not the end of the supervisor
	}
	open := o.run.startDrain(cause, reason)
	o.run.keeper.Wish() // whoever does not see the end of the drain leaves it to another supervisor
	o.cfg.Logger.Info("draining", "reason", reason, "open_sessions", open, "within", o.cfg.DrainTimeout)
	o.limit()
}

// limit sets the deadline of the drain.
func (o *operator) limit() {
	o.missed = o.run.engineMissed()
	o.deadline.Reset(max(0, o.run.drainLeft()))
}

// drainsToo drains the clients of this supervisor, after another one has begun to drain the run.
func (o *operator) drainsToo(d *bulkheadv1.MemberDrain) {
	if o.draining {
		return
	}
	o.draining = true
	open := o.run.drain(d.GetCause(), d.GetReason(), min(time.Duration(d.GetLeftNano()), o.cfg.DrainTimeout))
	o.cfg.Logger.Info("draining, as another supervisor of the run does", "reason", d.GetReason(), "open_sessions", open)
	o.limit()
}

// late sets the deadline anew if the journal's engine was not there since it was set, and reports whether it
// did: nobody could bring what is left to its end meanwhile.
func (o *operator) late() bool {
	missed := o.run.engineMissed()
	late := missed - o.missed
	if o.missed = missed; late > 0 {
		o.deadline.Reset(late)
	}
	return late > 0
}

// decides has something recorded, which returns why the run must be drained; no reason if it need not. It
// can take as long as the journal's engine is not there, while which the operator must be heard.
func (o *operator) decides(do func() drainFor) {
	if o.run.engine == nil {
		if d := do(); d.reason != "" {
			o.drain(d.cause, d.reason)
		}
		return
	}
	o.run.running.Go(func() { // ends with the record, or when the engine is not waited for
		o.beside.Lock()
		defer o.beside.Unlock()
		d := do()
		if d.reason == "" {
			return
		}
		select {
		case o.decided <- d:
		default: // the run is drained once
		}
	})
}

// check begins to check the new program, unless that is under way.
func (o *operator) check(ctx context.Context, asked upgradeRequest) {
	o.asked = append(o.asked, asked)
	if o.checks != nil {
		return
	}
	o.checks = make(chan upgradeAnswer, 1)
	o.cfg.Logger.Info("upgrade asked for; checking the program", "program", o.program())
	go func(answer chan<- upgradeAnswer) { // bounded; its answer has room
		o.checkpoint(ctx)
		var fit upgrade.Fitness
		err := o.answers(ctx)
		if err == nil {
			fit, err = upgrade.Check(ctx, o.cfg.Program, o.cfg.StateDir)
		}
		answer <- upgradeAnswer{fit.Edition(), err}
	}(o.checks)
}

// checkpoint spares the new program the reading of the journal, in its pre-flight and as it
// resumes the run.
func (o *operator) checkpoint(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	o.run.keeper.Now(ctx)
}

// answers returns an error if the run could not be let go of now, or no program could be executed,
// because of a disk or of the journal's engine.
func (o *operator) answers(ctx context.Context) error {
	if away := o.run.engineAway(); away > 0 {
		return fmt.Errorf("the journal's engine has not been reached for %s, and a program that begins now could not "+
			"go on with the run; ask again when it is", roughly(away))
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	err := o.run.disk.Answers(ctx)
	if errors.Is(err, rundir.ErrNoAnswer) {
		err = fmt.Errorf("%w; waited %s", err, settleTimeout)
	}
	return err
}

// upgrade continues after the check. It returns true when the run is to be suspended,
// and otherwise has changed nothing.
func (o *operator) upgrade(answer upgradeAnswer) bool {
	if answer.err == nil {
		answer.err = o.meant(answer.to)
	}
	if answer.err == nil {
		answer.err = o.halt()
	}
	if answer.err != nil {
		o.cfg.Logger.Error("no upgrade; nothing was changed", "error", answer.err)
	} else {
		from := upgrade.Edition{Version: o.cfg.Version, Build: o.cfg.Build}
		if from == answer.to {
			o.cfg.Logger.Info("the program is the same build as before: only its configuration is read anew")
		}
		o.cfg.Logger.Info("upgrading in place", "program", o.program(), "from", from.String(), "to", answer.to.String())
	}
	for _, asked := range o.asked {
		asked.done <- answer
	}
	o.asked = nil
	if answer.err != nil {
		return false
	}
	o.beginUpgrade()
	o.cut(errUpgrading)
	return true
}

// halt brings the run to where it can be suspended: every connection is with its handler, no
// checkpoint is being written, and the disk answers, as no program can be executed while the kernel
// waits for one on behalf of this. If that takes too long, the run continues as it was.
func (o *operator) halt() error {
	late, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if !o.run.keeper.Hold(late) {
		return fmt.Errorf("a checkpoint of the journal is still being written after %s: the disk of the state "+
			"directory does not answer", settleTimeout)
	}
	o.arrivals.close()
	var err error
	if n := o.run.settle(settleTimeout); n > 0 {
		err = fmt.Errorf("connections that still wait for a handler: %d", n)
	} else {
		err = o.answers(context.Background())
	}
	if err != nil {
		o.arrivals.open()
		o.run.keeper.Release()
	}
	return err
}

// meant refuses a program that one of those who asked does not mean.
func (o *operator) meant(to upgrade.Edition) error {
	for _, asked := range o.asked {
		if asked.any || asked.asker == (upgrade.Edition{}) || asked.asker == to {
			continue
		}
		return &upgrade.AnotherProgramError{Path: o.program(), Is: to,
			Runs: upgrade.Edition{Version: o.cfg.Version, Build: o.cfg.Build}, Asker: asked.asker}
	}
	return nil
}

// dismiss answers those whose upgrade will not happen, because the run is
// over.
func (o *operator) dismiss() {
	if o.checks != nil {
		<-o.checks
	}
	for _, asked := range o.asked {
		asked.done <- upgradeAnswer{err: errRunOver}
	}
}
