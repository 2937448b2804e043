package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/joined"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/recovery"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/rundir"
)

// unfinished is the newest run of a state directory when it has no report: its
// supervisor was killed, or is being upgraded.
type unfinished struct {
	id, dir  string
	past     *recovery.Past
	loaded   recovery.Loaded // how past was found
	roster   *rundir.Roster
	handlers []rundir.Rostered // as the roster has them
	// unreadable are what the roster holds that names no handler: it cannot be taken
	// up, and ends by itself.
	unreadable []error
	// onEngine says that its journal is on an engine. engine is the run then, and logs are its sessions that
	// had no outcome, by client id, once it was joined again.
	onEngine bool
	engine   *joined.Run
	logs     map[string]cluster.Log
	// replicas are what is wrong with those of the engine, once it was exported.
	replicas []string
	// damage says why the journal cannot be continued; nil if it can.
	damage error
}

// findUnfinished looks for a run to resume; nil if there is none: the one that was served last,
// or the latest where a supervisor of a version that did not tell them apart left one.
func findUnfinished(s *rundir.StateDir) (*unfinished, error) {
	for _, link := range []string{rundir.CurrentLink, rundir.LatestLink} {
		id, err := os.Readlink(filepath.Join(s.Path, rundir.RunsFolder, link))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking for an unfinished run: %w", err)
		}
		if u, err := lookAtRun(s, filepath.Base(id)); u != nil || err != nil {
			return u, err
		}
	}
	return nil, nil
}

// lookAtRun returns a run if it is to be resumed; nil if it is not.
func lookAtRun(s *rundir.StateDir, id string) (*unfinished, error) {
	u := &unfinished{id: id, dir: filepath.Join(s.Path, rundir.RunsFolder, id)}
	if _, err := os.Stat(filepath.Join(u.dir, report.FileName)); err == nil {
		return nil, nil
	}
	var err error
	if joined.IsOn(u.dir) {
		u.onEngine, u.past = true, recovery.New()
		u.roster = rundir.NewRoster(filepath.Join(u.dir, rundir.HandlerFolder))
		u.handlers, u.unreadable, err = u.roster.Load()
		return u, err
	}
	u.loaded, err = recovery.Load(filepath.Join(u.dir, rundir.JournalFolder))
	u.past = u.loaded.Past
	var code syscall.Errno
	switch {
	case errors.Is(err, journal.ErrNoJournal), errors.Is(err, fs.ErrNotExist):
		return nil, nil // killed before the run began
	case errors.As(err, &code) && code != syscall.EIO:
		// No descriptor, no permission, no memory: nothing is wrong with the journal.
		return nil, fmt.Errorf("reading the journal of run %s: %w", u.id, err)
	case err != nil:
		u.damage = err
	case u.past.RunID == "":
		return nil, nil // killed before its first record was durable
	}
	u.roster = rundir.NewRoster(filepath.Join(u.dir, rundir.HandlerFolder))
	u.handlers, u.unreadable, err = u.roster.Load()
	return u, err
}

// checkEngine checks the engine, if runs are on one, and joins a run there again that was left unfinished.
func (s *Supervisor) checkEngine(ctx context.Context, u *unfinished) error {
	if u != nil && u.onEngine && s.cfg.engine == nil {
		return fmt.Errorf("%w: journal.kind: run %s of this state directory has its journal on an engine, and is not "+
			"reported; set journal.kind: nats and journal.url", exitstatus.ErrConfig, u.id)
	}
	if s.cfg.engine == nil {
		return nil
	}
	switch err := s.cfg.engine.Check(ctx); {
	case err != nil && u != nil && u.onEngine:
		s.cfg.Logger.Error("the run continues on an engine that could not have it if it began now", "error", err)
	case err != nil:
		s.state.Unmake()
		return err
	}
	if u == nil || !u.onEngine {
		return nil
	}
	listen, err := net.ResolveTCPAddr("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", s.cfg.Listen, err)
	}
	return s.rejoin(ctx, u, listen)
}

// rejoin joins a run on the engine, or begins it, takes what sessions it has from whoever has them, and
// finds out what it has come to.
func (s *Supervisor) rejoin(ctx context.Context, u *unfinished, listen net.Addr) error {
	started := &bulkheadv1.Record{Entry: &bulkheadv1.Record_RunStarted{ // if it has not begun
		RunStarted: runStarted(s.cfg, u.id, listen, s.custody.State())}}
	ctx, stop := s.heeds(ctx)
	defer stop()
	var err error
	if u.engine, err = s.cfg.engine.Join(ctx, u.id, u.dir, started, supervisorJoined(s.cfg, listen)); err != nil {
		return fmt.Errorf("run %s: %w", u.id, err)
	}
	u.past, u.logs, err = u.engine.Resume(ctx)
	if cause := context.Cause(ctx); cause != nil && err == nil {
		err = cause
	} else if cause != nil {
		err = fmt.Errorf("%w; %w", err, cause)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("run %s: %w", u.id, err), u.engine.Close())
	}
	return nil
}

// errAsked is why a start ends that waited for the journal's engine.
var errAsked = errors.New("a signal came while the supervisor waited for the journal's engine")

// heeds returns a context that a signal ends until stop is called, if what waits for the engine with it takes
// long: else the signal is for the run.
func (s *Supervisor) heeds(ctx context.Context) (heeding context.Context, stop func()) {
	heeding, cancel := context.WithCancelCause(ctx)
	end := inBackground(ctx, func(over context.Context) {
		long := time.NewTimer(startPatience)
		defer long.Stop()
		select {
		case <-long.C:
		case <-over.Done():
			return
		}
		for {
			select {
			case sig := <-s.signals:
				if sig != syscall.SIGHUP {
					cancel(errAsked)
					return
				}
			case <-over.Done():
				return
			}
		}
	})
	return heeding, func() { end(); cancel(nil) }
}

// startPatience is how long a start may wait for the engine until a signal ends it.
const startPatience = 2 * time.Second

// part returns a session's part of the journal, of a run on an engine.
func (u *unfinished) part(client []byte, _ cluster.Head) cluster.Log {
	if l := u.logs[string(client)]; l != nil {
		return l
	}
	return u.engine.Later(client)
}

// export writes the journal of a run on an engine, which has its end, into its folder.
func (s *Supervisor) export(ctx context.Context, u *unfinished) (err error) {
	if !u.onEngine {
		return nil
	}
	u.replicas, err = s.exported(ctx, u.engine, u.dir)
	return errors.Join(err, u.engine.Close())
}

// exportPatience is how long an engine that is not there is waited for by who exports a run, and exportEvery
// the time between two tries.
const (
	exportPatience = 10 * time.Minute
	exportEvery    = time.Second
)

// exported writes the journal of a run on an engine into the folder of the run, and returns what is wrong with
// replicas. It tries again while the engine is not there, until a signal comes.
func (s *Supervisor) exported(ctx context.Context, engine *joined.Run, dir string) (damage []string, err error) {
	failpoint.Hit("supervisor/before-export")
	var found joined.Found
	begun := time.Now()
	for told := false; ; told = true {
		found, err = engine.Export(ctx, filepath.Join(dir, rundir.JournalFolder))
		if !errors.Is(err, cluster.ErrUnavailable) || ctx.Err() != nil || told && time.Since(begun) > exportPatience {
			break
		}
		if !told {
			begun = time.Now() // what it has read until now may have taken hours
			s.cfg.Logger.Error("the run is over, and its journal cannot be read from the engine now; that is tried "+
				"again, until a signal comes", "at_most", exportPatience, "error", err)
			var stop func() // before, a signal only ends what is over anyway
			ctx, stop = s.heeds(ctx)
			defer stop()
		}
		select {
		case <-time.After(exportEvery):
		case <-ctx.Done():
		}
	}
	for _, w := range slices.Concat(found.Damage, found.Unseen) {
		s.cfg.Logger.Warn("what the engine has of the run is not whole everywhere", "reason", w)
	}
	failpoint.Hit("supervisor/after-export")
	return found.Damage, err
}

// nobodyCame reports whether no client, and nobody else, has tried to connect.
func (u *unfinished) nobodyCame() bool {
	return len(u.past.Sessions) == 0 && u.past.Refused == 0 && u.past.Shed == 0 && len(u.past.Open) == 0
}

// sockets returns the folders of the sockets of the run's handlers.
func (u *unfinished) sockets() map[string]bool {
	keep := make(map[string]bool)
	if u == nil {
		return keep
	}
	for _, h := range u.handlers {
		keep[h.Child.SocketDir] = true
	}
	return keep
}

// tooOld reports whether a run is too old to be resumed.
func (s *Supervisor) tooOld(u *unfinished) bool {
	return s.cfg.Inherited == nil && u.past.Clock.Since(time.Now()) >= s.cfg.ResumeWithin
}

// takeUp continues an unfinished run. It returns nil, and the run is as closed as
// it can be, when it cannot or must not continue.
func (s *Supervisor) takeUp(ctx context.Context, u *unfinished) (*run, error) {
	log := s.cfg.Logger.With("run", u.id)
	for _, err := range u.unreadable {
		log.Error("a handler cannot be adopted", "error", err)
	}
	for _, err := range u.loaded.Unused {
		log.Warn("a checkpoint of the journal is not used; more of the journal is read for it", "error", err)
	}
	if u.damage == nil && !s.tooOld(u) {
		return s.resumeRun(ctx, u)
	}
	if err := s.stopLeft(ctx, u); err != nil {
		log.Error(err.Error())
	}
	if u.damage == nil && u.nobodyCame() {
		if gone, err := s.state.Forget(u.id); gone || err != nil {
			log.Info("the run before this one, which nobody came to, is removed")
			return nil, err
		}
	}
	if u.damage == nil && u.onEngine {
		if err := s.abandonOnEngine(ctx, u); err != nil {
			return nil, err
		}
	} else if u.damage == nil {
		err := s.abandon(u)
		if err != nil && !errors.Is(err, journal.ErrCorrupt) {
			return nil, err
		}
		u.damage = err // which a checkpoint has kept from being seen before
	}
	if u.damage != nil {
		log.Error("the run before this one cannot be continued", "error", u.damage)
	}
	if _, err := writeReport(u.dir, nil, u.replicas...); err != nil {
		log.Error("the run before this one has no report", "error", err)
	} else {
		s.state.Served(u.id)
	}
	return nil, nil
}

// stopLeft ends the handlers that a run left, and removes their records.
func (s *Supervisor) stopLeft(ctx context.Context, u *unfinished) (err error) {
	kept, _ := s.adopt(ctx, u.handlers)
	var all sync.WaitGroup
	for _, a := range kept {
		all.Go(func() { s.stopHandler(a.child) })
	}
	all.Wait()
	for _, h := range u.handlers {
		err = errors.Join(err, u.roster.Remove(h.Connection))
	}
	return errors.Join(err, u.roster.Close())
}

// onlyReport reports whether a run was brought to its end, and only its report is missing.
func (s *Supervisor) onlyReport(u *unfinished) bool {
	return u != nil && u.damage == nil && u.past.Ended && !s.tooOld(u)
}

// reportLeft makes the report that a run lacks whose end is in its journal.
func (s *Supervisor) reportLeft(ctx context.Context, u *unfinished) (word report.Word, err error) {
	err = errors.Join(s.stopLeft(ctx, u), rundir.RemoveHalfWritten(u.dir), s.export(ctx, u))
	rep, reporting := writeReport(u.dir, nil, u.replicas...)
	if rep != nil && s.cfg.Report != nil {
		s.cfg.Report(rep, u.dir)
	}
	if err = errors.Join(err, reporting); err != nil {
		return "", err
	}
	s.state.Served(u.id)
	s.cfg.Logger.Info("run reported that its supervisor had ended", "run", u.id)
	return rep.Verdict.Word, nil
}

// whyAbandoned is how the sessions of a run end that is not resumed in time, and the run.
const whyAbandoned = "the supervisor ended and the run was not resumed"

// abandonOnEngine does what abandon does.
func (s *Supervisor) abandonOnEngine(ctx context.Context, u *unfinished) error {
	s.cfg.Logger.Warn("the run before this one was not resumed in time", "run", u.id,
		"last_record_ago", roughly(u.past.Clock.Since(time.Now())), "resume_within", s.cfg.ResumeWithin)
	for _, p := range u.past.InOrder() {
		if phaseOf(p.State).ended() {
			continue
		}
		err := u.part(p.Hello.GetClientId(), cluster.Head{}).Append(ctx, cluster.Head{Connection: p.Connection,
			Durable: p.Durable, Phase: bulkheadv1.SessionState_SESSION_STATE_LOST},
			&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{SessionEnded: &bulkheadv1.SessionEnded{
				Session: p.Number, Outcome: bulkheadv1.Outcome_OUTCOME_LOST, Cause: whyAbandoned, LastSeq: p.Durable,
			}}})
		if err != nil {
			return fmt.Errorf("closing the journal of run %s: %w", u.id, err)
		}
	}
	err := u.engine.Finish(ctx, &bulkheadv1.RunEnded{Reason: bulkheadv1.RunEnd_RUN_END_FAILED, Detail: whyAbandoned})
	if err != nil {
		return fmt.Errorf("closing the journal of run %s: %w", u.id, err)
	}
	return s.export(ctx, u)
}

// abandon gives every open session of a run its outcome, and the run its end.
func (s *Supervisor) abandon(u *unfinished) error {
	if u.past.Ended {
		return nil
	}
	s.cfg.Logger.Warn("the run before this one was not resumed in time", "run", u.id,
		"last_record_ago", roughly(u.past.Clock.Since(time.Now())), "resume_within", s.cfg.ResumeWithin)
	options := s.cfg.journalOptions(nil)
	options.Read = u.loaded.End
	j, _, err := journal.Open(filepath.Join(u.dir, rundir.JournalFolder), options)
	if err != nil {
		return fmt.Errorf("closing the journal of run %s: %w", u.id, err)
	}
	const cause = whyAbandoned
	var recs []*bulkheadv1.Record
	for _, p := range u.past.InOrder() {
		if phaseOf(p.State).ended() {
			continue
		}
		recs = append(recs,
			&bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{SessionEnded: &bulkheadv1.SessionEnded{
				Session: p.Number, Outcome: bulkheadv1.Outcome_OUTCOME_LOST, Cause: cause, LastSeq: p.Durable,
			}}})
	}
	recs = append(recs, &bulkheadv1.Record{Entry: &bulkheadv1.Record_RunEnded{RunEnded: &bulkheadv1.RunEnded{
		Reason: bulkheadv1.RunEnd_RUN_END_FAILED, Detail: cause,
	}}})
	date(recs)
	return errors.Join(j.Append(context.Background(), recs...), j.Close())
}
