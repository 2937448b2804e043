package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/campaign"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/rundir"
)

// errInterrupted is why a run ends when its operator does not want to wait.
var errInterrupted = errors.New("interrupted a second time")

// errDrainDeadline is why sessions are lost that did not drain in time.
var errDrainDeadline = errors.New("still open at the end of the drain time")

// runs serves one run after the other, first the one that was left unfinished. kept is not nil
// when the run continues in another program.
func (s *Supervisor) runs(ctx context.Context, signals <-chan os.Signal, left *unfinished) (res Result, kept []*link,
	err error) {
	res.Verdict = s.cfg.Inherited.Worst()
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
	defer func() {
		switch {
		case s.next == nil:
		case err != nil: // another supervisor may go on with the job
			s.next.no <- campaign.ErrLeft // has room
		default:
			close(s.next.began)
		}
	}()
	for announce := true; ; announce = false {
		r, err := s.nextRun(ctx, left)
		if err != nil {
			return res, nil, err // the handlers of a run that cannot be resumed keep their sockets for another try
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
		if end.stopped || !s.cfg.KeepRunning || s.endsWithJob(r) {
			return res, nil, nil
		}
	}
}

// nextRun resumes the run that was left, or begins a new one.
func (s *Supervisor) nextRun(ctx context.Context, left *unfinished) (*run, error) {
	if left != nil {
		if r, err := s.takeUp(ctx, left); r != nil || err != nil {
			return r, err
		}
	}
	if s.cfg.Journal.Run != "" {
		return s.namedRun(ctx)
	}
	id, dir, err := s.state.NewRunDir(time.Now())
	if err != nil {
		return nil, err
	}
	cfg := s.cfg
	if s.next != nil {
		if err := s.next.note(id); err != nil {
			s.next.no <- err // has room; the run is one of nobody's job
			s.next = nil
		} else {
			cfg = s.next.cfg
			failpoint.Hit("supervisor/job-noted")
		}
	}
	if err := writeRunFile(cfg, id, dir, s.listener.Addr()); err != nil {
		return nil, err
	}
	heeding, stop := s.heeds(ctx)
	defer stop()
	r, err := newRun(heeding, cfg, id, dir, s.listener.Addr(), s.custody.State(), s.pool, s.gate)
	if err != nil {
		return nil, err
	}
	if cause := context.Cause(heeding); cause != nil {
		return nil, errors.Join(cause, r.book.Close())
	}
	r.latest = func() error { return s.state.Point(rundir.LatestLink, id) }
	if !s.cfg.KeepRunning { // otherwise when its first client has come
		r.becomeLatest()
	}
	return r, nil
}

// namedRun takes up the run on the engine that the settings name, or begins it.
func (s *Supervisor) namedRun(ctx context.Context) (*run, error) {
	u := &unfinished{id: s.cfg.Journal.Run, onEngine: true}
	var err error
	if u.dir, err = s.state.NamedRunDir(u.id); err != nil {
		return nil, err
	}
	over := func(where string) error {
		return fmt.Errorf("%w: journal.run: run %s is over%s; name another one", exitstatus.ErrConfig, u.id, where)
	}
	if _, err := os.Stat(filepath.Join(u.dir, report.FileName)); err == nil {
		return nil, over(", and its report is in " + u.dir)
	}
	if err := writeRunFile(s.cfg, u.id, u.dir, s.listener.Addr()); err != nil {
		return nil, err
	}
	u.roster = rundir.NewRoster(filepath.Join(u.dir, rundir.HandlerFolder))
	if err := s.rejoin(ctx, u, s.listener.Addr()); err != nil {
		return nil, err
	}
	if u.past.Ended {
		return nil, errors.Join(over(", and was reported elsewhere"), u.engine.Close())
	}
	if u.engine.Supervisor() > 1 {
		s.cfg.Logger.Info("the run is taken up from another supervisor", "run", u.id)
		return s.resumeRun(ctx, u)
	}
	r, err := runOn(s.cfg, u.id, u.dir, u.engine, u.roster, s.pool, s.gate).begin(nil)
	if err == nil {
		r.latest = func() error { return s.state.Point(rundir.LatestLink, u.id) }
		r.becomeLatest()
	}
	return r, err
}

// runEnd is how a run ended.
type runEnd struct {
	stopped bool // by an operator
	word    report.Word
	idle    bool    // nobody came, and nothing is kept of it
	kept    []*link // not nil if it continues in another program
	err     error
}

// exitStatusOf returns the exit status of a supervisor that had one run alone.
func exitStatusOf(end runEnd) uint32 {
	switch {
	case end.err != nil:
		return exitstatus.Failure
	case end.word == report.WordComplete:
		return exitstatus.Complete
	case end.word == report.WordInterrupted:
		return exitstatus.Interrupted
	default:
		return exitstatus.Partial
	}
}

// oneRun serves a run and reports it.
func (s *Supervisor) oneRun(ctx context.Context, r *run, signals <-chan os.Signal, announce bool) (end runEnd) {
	r.listen = s.listener.Addr().String()
	s.setCurrent(r)
	if announce {
		s.first <- r // has room
	}
	if s.next != nil {
		s.next.began <- r
		s.next = nil
	}
	defer func() {
		if end.kept != nil { // it is not over
			return
		}
		r.exitStatus = exitStatusOf(end)
		close(r.reported)
	}()
	s.cfg.Logger.Info("supervisor ready",
		append([]any{"listen", s.listener.Addr().String(), "run", r.id, "run_dir", r.dir,
			"sandbox", protocol.Word(s.custody.State().GetState()),
			"clients_expected", r.cfg.Clients.Count}, absentees(r.absent())...)...)
	notify(s.cfg.Logger, "READY=1")
	if announce && s.cfg.Ready != nil {
		s.cfg.Ready(Ready{Listen: s.listener.Addr().String(), RunDir: r.dir, HTTP: s.httpAddr()})
	}
	stopped, failure := s.serve(ctx, r, signals)
	if errors.Is(failure, errUpgrading) {
		kept := r.suspend()
		s.setCurrent(nil)
		return runEnd{kept: kept, err: errors.Join(r.book.Close(), r.roster.Close())}
	}
	s.setCurrent(nil)
	if errors.Is(failure, errLeaves) {
		s.cfg.Logger.Info("the supervisor has left the run, which the others go on with", "run", r.id)
		return runEnd{stopped: true, word: report.WordComplete, err: errors.Join(r.book.Close(), r.roster.Close())}
	}
	var replicas []string
	if r.engine != nil && failure == nil {
		replicas, failure = s.exported(r.engine.Trying(), r.engine, r.dir)
	}
	if err := r.book.Close(); err != nil && failure == nil {
		failure = err
	}
	if err := r.roster.Close(); err != nil {
		s.cfg.Logger.Error(err.Error())
	}
	// The next run of a supervisor that keeps running is no run that went wrong just
	// because the supervisor was stopped before anybody came.
	stopped = stopped && !r.alone.Load()
	idle := s.cfg.KeepRunning && r.cfg.job == nil && (stopped || s.next != nil) && failure == nil && r.nobodyCame()
	if idle && r.refused.Load() == 0 && r.shedding.Total.Load() == 0 {
		if gone, err := s.state.Forget(r.id); gone || err != nil {
			s.cfg.Logger.Info("nobody came to the last run; nothing is kept of it", "run", r.id)
			return runEnd{stopped: stopped, word: report.WordComplete, idle: true, err: err}
		}
	}
	if r.engine != nil && failure != nil { // and another supervisor continues it
		return runEnd{stopped: stopped, err: failure}
	}
	done := s.garbage.Plenty()
	rep, err := writeReport(r.dir, failure, replicas...)
	done()
	if rep != nil && s.cfg.Report != nil {
		s.cfg.Report(rep, r.dir)
	}
	if err := errors.Join(failure, err); err != nil {
		return runEnd{stopped: stopped, err: err}
	}
	s.state.Served(r.id)
	r.byOperator = rep.Run.DrainCause == report.DrainByOperator
	word := rep.Verdict.Word
	if named := slices.ContainsFunc(rep.RejectionGroups,
		func(g report.RejectionGroup) bool { return g.ClientName != "" }); idle && !named {
		word = report.WordComplete
	}
	return runEnd{stopped: stopped, word: word}
}

// serve serves a run to its last record. It returns errUpgrading, and the run continues
// without its connections being accepted, when it is to be suspended.
func (s *Supervisor) serve(ctx context.Context, r *run, signals <-chan os.Signal) (stopped bool, failure error) {
	serving, cut := context.WithCancelCause(ctx) // done when the run must end at once
	defer cut(nil)
	r.checkFolder() // what is there as it begins
	arrivals := &accepting{run: r, listener: s.listener}
	arrivals.open()
	stopWatch := inBackground(ctx, r.watch)
	defer stopWatch()
	stopGuard := inBackground(ctx, r.guard)
	defer stopGuard()
	stopKeeper := inBackground(ctx, r.keeper.Run)
	defer r.leaveKeeper(stopKeeper)
	stopPauses := inBackground(ctx, r.watchPauses)
	defer stopPauses()
	stopMembers := inBackground(ctx, r.watchMembers)
	defer stopMembers()
	r.mu.Lock()
	r.wait()
	r.mu.Unlock()
	defer r.waitNoMore()
	stopOperator := inBackground(ctx, func(ctx context.Context) { stopped = s.operate(ctx, r, signals, arrivals, cut) })
	cause := r.await(serving)
	stopOperator()
	stopHurry := r.hurries(ctx, signals, errors.Is(cause, errInterrupted))
	defer func() { stopped = stopHurry() || stopped }()
	if r.engine != nil && errors.Is(cause, errInterrupted) {
		// If it is not there, nothing is to be on its way that ends a session.
		there := make(chan struct{})
		r.running.Go(func() { // ends with the answer, or soon after it is not waited for
			defer close(there)
			// Nothing is written, and that it is takes a quorum, where a leader that was cut off still answers.
			if err := r.engine.Note(ctx); err != nil {
				r.log.Warn("the engine takes nothing now", "error", err)
			}
		})
		select {
		case <-there:
		case <-r.engine.Trying().Done():
		}
	}
	cause = endCause(serving, cause)
	arrivals.close()
	if errors.Is(cause, errUpgrading) {
		return false, cause
	}

	if errors.Is(cause, errLeaves) {
		if r.engine.Outage() > 0 { // what is owed cannot be written, and is not waited for
			r.engine.GiveUp()
		}
		r.leave()
		return true, errLeaves
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
	case errors.Is(cause, errMakesWay):
	case cause != nil:
		return true, cause // the journal has failed; nothing more can be recorded
	case stopped:
		ended.Reason = bulkheadv1.RunEnd_RUN_END_DRAINED
	}
	failpoint.Hit("supervisor/before-run-ended")
	interrupted, stop := context.WithCancel(context.Background())
	if stop(); ended.GetReason() != bulkheadv1.RunEnd_RUN_END_INTERRUPTED {
		interrupted = context.Background()
	}
	switch err := r.finish(interrupted, ended); {
	case errors.Is(err, errLeaves):
		return true, err
	case !r.durable(err):
		return true, <-r.failed
	}
	failpoint.Hit("supervisor/after-run-ended")
	return stopped, nil
}

// errLeft is why a run has no end yet.
var errLeft = fmt.Errorf("the run is left as it is on its engine: %w", cluster.ErrUnavailable)

// finish makes the end of the run durable, whose sessions have their outcomes. Of a run of several supervisors it
// waits for the others, unless ctx is done: then it returns errLeaves.
func (r *run) finish(ctx context.Context, ended *bulkheadv1.RunEnded) error {
	if r.engine != nil {
		if r.engine.Trying().Err() != nil { // the end of a session may be missing
			return errLeft
		}
		return r.waitForOthers(ctx, func() error { return r.engine.Finish(context.Background(), ended) })
	}
	return errors.Join(r.book.Seal(context.Background()), r.book.End(context.Background(), ended))
}

// hurries lets a signal, or the end of ctx, end the run without the journal's engine, if that is not there
// while the run ends, until stop is called: the run can be resumed then. It is enough that the engine is found
// not to be there after the signal. asked says that there was one; stop reports whether there was.
func (r *run) hurries(ctx context.Context, signals <-chan os.Signal, asked bool) (stop func() bool) {
	if r.engine == nil {
		return func() bool { return false }
	}
	end := inBackground(context.WithoutCancel(ctx), func(over context.Context) {
		look := time.NewTicker(hurryEvery)
		defer look.Stop()
		for {
			select {
			case sig := <-signals:
				asked = asked || sig != syscall.SIGHUP
			case <-look.C:
			case <-ctx.Done():
			case <-over.Done():
				return
			}
			away := r.engine.Outage() > 0
			if asked && away {
				r.log.Error("the run is left as it is on the engine, which cannot be reached; start the supervisor " +
					"again on its state directory, and it continues the run")
			}
			if asked && away || ctx.Err() != nil {
				r.engine.GiveUp()
				<-over.Done()
				return
			}
		}
	})
	return func() bool {
		end()
		return asked
	}
}

// hurryEvery is how often a run that is to end without its engine is looked at.
const hurryEvery = 100 * time.Millisecond

// engineAway returns for how long the journal's engine has not been there; 0 if it is, or there is none.
func (r *run) engineAway() time.Duration {
	if r.engine == nil {
		return 0
	}
	return r.engine.Outage()
}

// engineMissed returns for how long the journal's engine has not been there in all.
func (r *run) engineMissed() time.Duration {
	if r.engine == nil {
		return 0
	}
	return r.engine.Missed()
}

// keeperPatience is how long the Keeper may take to let go of the disk.
const keeperPatience = 5 * time.Second

// leaveKeeper stops the Keeper. A disk that does not answer holds it, and not the run: whatever it
// writes then is of no use to anybody and no harm.
func (r *run) leaveKeeper(stop func()) {
	stopped := make(chan struct{})
	go func() { // ends when the disk answers, or with the program
		defer close(stopped)
		stop()
	}()
	late := time.NewTimer(keeperPatience)
	defer late.Stop()
	select {
	case <-stopped:
	case <-late.C:
		r.log.Warn("the disk of the state directory does not answer; a checkpoint of the journal is not waited for",
			"waited", keeperPatience)
	}
}

// endCause returns why the run ends, given what await returned. One that is over in the moment in
// which it is to be upgraded is upgraded: that is what its operator was told.
func endCause(serving context.Context, cause error) error {
	if asked := context.Cause(serving); cause == nil && errors.Is(asked, errUpgrading) {
		return asked
	}
	return cause
}

// notify tells the service manager about a state, if one is listening (sd_notify(3)).
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("the service manager cannot be told", "state", state, "error", err)
	}
}
