package supervisor

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// settleTimeout is how long connections that no handler serves yet may hold up an
// upgrade.
const settleTimeout = 5 * time.Second

// upgradeRequest asks for an upgrade; done receives the answer.
type upgradeRequest struct {
	asker edition // of the program that asks; the zero edition is not told
	any   bool    // whatever is at the path is meant
	done  chan<- upgradeAnswer
}

// upgradeAnswer says how an upgrade is going: what the new program is, or why nothing was
// changed.
type upgradeAnswer struct {
	to  edition
	err error
}

// operator acts on signals and on what is asked for on the control socket, for one
// run. One goroutine owns it.
type operator struct {
	*Supervisor
	run      *run
	gate     *accepting
	cut      context.CancelCauseFunc // ends the run at once
	draining bool
	deadline *time.Timer // of the drain
	// checks is not nil while the new program of an upgrade is being checked; asked
	// are those who wait for it.
	checks chan upgradeAnswer
	asked  []upgradeRequest
}

// operate acts on signals, drains and upgrades until ctx is done or the run must end;
// it returns whether a drain was asked for.
func (s *Supervisor) operate(ctx context.Context, r *run, signals <-chan os.Signal, gate *accepting, cut context.CancelCauseFunc) bool {
	o := &operator{Supervisor: s, run: r, gate: gate, cut: cut, deadline: stoppedTimer()}
	defer o.deadline.Stop()
	checking, stop := context.WithCancel(ctx)
	defer o.dismiss() // after the check, if there is one, has ended
	defer stop()
	if s.cfg.Handover.drained() != "" && r.drainReason() == "" {
		o.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_OPERATOR, s.cfg.Handover.drained())
	}
	if r.drainReason() != "" {
		o.draining = true
		o.deadline.Reset(max(0, r.drainLeft()))
	}
	for {
		select {
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				o.check(checking, upgradeRequest{done: make(chan upgradeAnswer, 1)})
				continue
			}
			if o.draining {
				cut(errInterrupted)
				return true
			}
			o.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_OPERATOR, fmt.Sprintf("the supervisor received %s", sig))
		case reason := <-s.drains:
			o.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_OPERATOR, reason)
		case err := <-r.full:
			r.livesOnReserve.Store(true)
			s.cfg.Logger.Error("the file system of the state directory is full; the run ends in order, with what was kept in reserve", "error", err)
			o.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_DISK_FULL, "the file system of the supervisor's state directory is full")
		case <-o.deadline.C:
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
	open := o.run.startDrain(cause, reason)
	o.cfg.Logger.Info("draining", "reason", reason, "open_sessions", open, "within", o.cfg.DrainTimeout)
	o.deadline.Reset(max(0, o.run.drainLeft()))
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
		fit, err := o.preflight(ctx)
		answer <- upgradeAnswer{fit.edition(), err}
	}(o.checks)
}

// upgrade goes on after the check. It returns true when the run is to be suspended,
// and otherwise has changed nothing.
func (o *operator) upgrade(answer upgradeAnswer) bool {
	if answer.err == nil {
		answer.err = o.meant(answer.to)
	}
	if answer.err == nil {
		o.gate.close()
		if n := o.run.settle(settleTimeout); n > 0 {
			answer.err = fmt.Errorf("connections that still wait for a handler: %d", n)
			o.gate.open()
		}
	}
	if answer.err != nil {
		o.cfg.Logger.Error("no upgrade; nothing was changed", "error", answer.err)
	} else {
		from := edition{o.cfg.Version, o.cfg.Build}
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
	o.cut(errUpgrading)
	return true
}

// meant refuses a program that one of those who asked does not mean.
func (o *operator) meant(to edition) error {
	for _, asked := range o.asked {
		if asked.any || asked.asker == (edition{}) || asked.asker == to {
			continue
		}
		return &anotherProgramError{path: o.program(), is: to, runs: edition{o.cfg.Version, o.cfg.Build}, asker: asked.asker}
	}
	return nil
}

// dismiss answers those whose upgrade does not happen any more, because the run is
// over.
func (o *operator) dismiss() {
	if o.checks != nil {
		<-o.checks
	}
	for _, asked := range o.asked {
		asked.done <- upgradeAnswer{err: errRunOver}
	}
}
