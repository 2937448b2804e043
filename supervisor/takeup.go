package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/child"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/rundir"
)

// unfinished is the newest run of a state directory when it has no report: its
// supervisor was killed, or is being upgraded.
type unfinished struct {
	id, dir  string
	past     *recovery
	torn     *journal.Torn
	handlers []rundir.Rostered
	// unreadable are what the roster holds that names no handler: it cannot be taken
	// up, and ends by itself.
	unreadable []error
	// damage says why the journal cannot be gone on with; nil if it can.
	damage error
}

// adopted is a handler that was taken up, with its client's connection.
type adopted struct {
	rundir.Rostered
	child   *child.Child
	session *processor // nil if the journal knows none
	// resumeAfter is the session's last durable message.
	resumeAfter uint64
}

// findUnfinished looks for a run to take up; nil if there is none: the one that was served last,
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

// lookAtRun is a run if it is to be taken up; nil if it is not.
func lookAtRun(s *rundir.StateDir, id string) (*unfinished, error) {
	u := &unfinished{id: id, dir: filepath.Join(s.Path, rundir.RunsFolder, id), past: newRecovery()}
	if _, err := os.Stat(filepath.Join(u.dir, reportFile)); err == nil {
		return nil, nil
	}
	sum, err := journal.Replay(filepath.Join(u.dir, rundir.JournalFolder), u.past.add)
	var code syscall.Errno
	switch {
	case errors.Is(err, journal.ErrNoJournal), errors.Is(err, fs.ErrNotExist):
		return nil, nil // killed before the run began
	case errors.As(err, &code) && code != syscall.EIO:
		// No descriptor, no permission, no memory: nothing is wrong with the journal.
		return nil, fmt.Errorf("reading the journal of run %s: %w", u.id, err)
	case err != nil:
		u.damage = err
	case u.past.runID == "":
		return nil, nil // killed before its first record was durable
	}
	u.torn = sum.Torn
	u.handlers, u.unreadable, err = rundir.Roster(filepath.Join(u.dir, rundir.HandlerFolder)).List()
	return u, err
}

// nobodyCame reports whether no client, and nobody else, has tried to connect.
func (u *unfinished) nobodyCame() bool {
	return len(u.past.sessions) == 0 && u.past.refused == 0 && u.past.shed == 0 && len(u.past.open) == 0
}

// sockets are the folders of the sockets of the run's handlers.
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

// adoptAtOnce is how many handlers are taken up at the same time. Each has a deadline of
// its own, which it could not keep if hundreds shared the processors; and a few that hang
// do not hold up the others.
const adoptAtOnce = 16

// adopt takes handlers up, many at the same time. gone says what is wrong with those
// that could not be; nothing is left of them.
func (s *Supervisor) adopt(ctx context.Context, list []rundir.Rostered) (kept []adopted, gone map[uint64]error) {
	gone = make(map[uint64]error)
	var mu sync.Mutex
	together(adoptAtOnce, list, func(h rundir.Rostered) {
		c, err := s.adoptOne(ctx, h)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			gone[h.Connection] = err
			return
		}
		kept = append(kept, adopted{Rostered: h, child: c})
	})
	return kept, gone
}

// together calls do for every element, at most so many at the same time, and returns when
// all calls have.
func together[T any](most int, list []T, do func(T)) {
	var all sync.WaitGroup
	slots := make(chan struct{}, most)
	for _, one := range list {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			do(one)
		})
	}
	all.Wait()
}

// handlerProtocol is the version of HandlerService that is spoken here.
const handlerProtocol = 1

// adoptTimeout bounds what a handler may take to answer when it is taken up: all wait
// for the slowest of those that are taken up together.
const adoptTimeout = 5 * time.Second

// adoptOne takes one handler up and asks it what it is.
func (s *Supervisor) adoptOne(ctx context.Context, h rundir.Rostered) (*child.Child, error) {
	cfg := s.handlerConfig(s.state.Socks.Current())
	cfg.StartTimeout = min(cfg.StartTimeout, adoptTimeout)
	c, err := child.Adopt(ctx, cfg, h.Child, s.cfg.Handover.held(h.Connection))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, adoptTimeout)
	defer cancel()
	is, err := bulkheadv1.NewHandlerServiceClient(c.Conn()).Probe(ctx, &bulkheadv1.ProbeRequest{})
	switch {
	case err != nil:
		err = fmt.Errorf("asking it what it is: %w", err)
	case is.GetProtocolVersion() != handlerProtocol:
		err = fmt.Errorf("it speaks version %d of the protocol; this supervisor speaks %d", is.GetProtocolVersion(), handlerProtocol)
	case is.GetConnectionId() != h.Connection:
		err = fmt.Errorf("it holds connection %d", is.GetConnectionId())
	default:
		return c, nil
	}
	c.Kill()
	return nil, &child.AdoptError{Child: c, Err: err}
}

// tooOld reports whether a run is not to be taken up any more.
func (s *Supervisor) tooOld(u *unfinished) bool {
	return s.cfg.Handover == nil && u.past.clock.Since(time.Now()) >= s.cfg.ResumeWithin
}

// takeUp goes on with an unfinished run. It returns nil, and the run is as closed as
// it can be, when it cannot or must not go on.
func (s *Supervisor) takeUp(ctx context.Context, u *unfinished) (*run, error) {
	log := s.cfg.Logger.With("run", u.id)
	for _, err := range u.unreadable {
		log.Error("a handler cannot be taken up", "error", err)
	}
	if u.damage == nil && !s.tooOld(u) {
		return s.resumeRun(ctx, u)
	}
	s.stopLeft(ctx, u)
	if u.damage == nil && u.nobodyCame() {
		if gone, err := s.state.Forget(u.id); gone || err != nil {
			log.Info("the run before this one, which nobody came to, is removed")
			return nil, err
		}
	}
	if u.damage != nil {
		log.Error("the run before this one cannot be gone on with", "error", u.damage)
	} else if err := s.abandon(u); err != nil {
		return nil, err
	}
	if _, err := writeReport(u.dir, nil); err != nil {
		log.Error("the run before this one has no report", "error", err)
	} else {
		s.state.Served(u.id)
	}
	return nil, nil
}

// stopLeft ends the handlers that a run left.
func (s *Supervisor) stopLeft(ctx context.Context, u *unfinished) {
	kept, _ := s.adopt(ctx, u.handlers)
	var all sync.WaitGroup
	for _, a := range kept {
		all.Go(func() { s.stopHandler(a.child) })
	}
	all.Wait()
	for _, h := range u.handlers {
		if err := rundir.Roster(filepath.Join(u.dir, rundir.HandlerFolder)).Remove(h.Connection); err != nil {
			s.cfg.Logger.Error(err.Error())
		}
	}
}

// onlyReport says that a run was brought to its end, and only its report is missing.
func (s *Supervisor) onlyReport(u *unfinished) bool {
	return u != nil && u.damage == nil && u.past.ended && !s.tooOld(u)
}

// reportLeft makes the report that a run lacks whose end is in its journal.
func (s *Supervisor) reportLeft(ctx context.Context, u *unfinished) (word report.Word, err error) {
	s.stopLeft(ctx, u)
	for _, h := range u.handlers {
		err = errors.Join(err, rundir.Roster(filepath.Join(u.dir, rundir.HandlerFolder)).Remove(h.Connection))
	}
	err = errors.Join(err, rundir.RemoveHalfWritten(u.dir))
	rep, reporting := writeReport(u.dir, nil)
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

// abandon gives every open session of a run its outcome, and the run its end.
func (s *Supervisor) abandon(u *unfinished) error {
	if u.past.ended {
		return nil
	}
	s.cfg.Logger.Warn("the run before this one was not taken up in time", "run", u.id, "last_record_ago", roughly(u.past.clock.Since(time.Now())), "resume_within", s.cfg.ResumeWithin)
	j, _, err := journal.Open(filepath.Join(u.dir, rundir.JournalFolder), s.cfg.journalOptions(nil))
	if err != nil {
		return fmt.Errorf("closing the journal of run %s: %w", u.id, err)
	}
	const cause = "the supervisor ended and the run was not taken up again"
	var recs []*bulkheadv1.Record
	for _, p := range u.past.inOrder() {
		if p.phase.ended() {
			continue
		}
		recs = append(recs, &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{SessionEnded: &bulkheadv1.SessionEnded{
			Session: p.number, Outcome: bulkheadv1.Outcome_OUTCOME_LOST, Cause: cause, LastSeq: p.durable,
		}}})
	}
	recs = append(recs, &bulkheadv1.Record{Entry: &bulkheadv1.Record_RunEnded{RunEnded: &bulkheadv1.RunEnded{
		Reason: bulkheadv1.RunEnd_RUN_END_FAILED, Detail: cause,
	}}})
	date(recs)
	return errors.Join(j.Append(context.Background(), recs...), j.Close())
}

// resumeRun opens a run again, as its supervisor left it: sessions as the journal has
// them, connections as their handlers do.
func (s *Supervisor) resumeRun(ctx context.Context, u *unfinished) (*run, error) {
	full := make(chan error, 1)
	j, found, err := journal.Open(filepath.Join(u.dir, rundir.JournalFolder), s.cfg.journalOptions(full))
	if err != nil {
		return nil, fmt.Errorf("opening the journal of run %s again: %w", u.id, err)
	}
	failpoint.Hit("supervisor/before-adopt")
	kept, gone := s.adopt(ctx, u.handlers)
	failpoint.Hit("supervisor/after-adopt")
	if err := rundir.Roster(filepath.Join(u.dir, rundir.HandlerFolder)).Sweep(); err != nil {
		s.cfg.Logger.Error(err.Error())
	}
	r := runOn(s.cfg, u.id, u.dir, j, s.pool, s.gate)
	r.full = full
	for _, h := range u.handlers { // what the journal knows of a connection may have been lost
		u.past.accepted = max(u.past.accepted, h.Connection)
	}
	r.recover(u.past)
	r.latest = func() error { return s.state.Point(rundir.LatestLink, u.id) }
	if len(r.order) > 0 || !s.cfg.KeepRunning {
		r.becomeLatest()
	}
	restarted := &bulkheadv1.SupervisorRestarted{
		Kind: bulkheadv1.RestartKind_RESTART_KIND_RESTARTED, Pid: int32(os.Getpid()),
		Version: s.cfg.Version, GoVersion: runtime.Version(), ExpectedClients: uint32(s.cfg.Clients.Count), Listen: s.listener.Addr().String(),
		HandlersKept: uint32(len(kept)), HandlersGone: uint32(len(gone)),
		BootId: boottime.ID(), ExpectedNames: s.cfg.Clients.Names, Settings: settingsOf(s.cfg), RecordMinor: protocol.RecordMinor,
	}
	if s.cfg.Handover != nil {
		restarted.Kind = bulkheadv1.RestartKind_RESTART_KIND_UPGRADED
	}
	if found.Torn != nil {
		r.damagedEnd = found.Torn.Damaged
		restarted.TornBytes, restarted.Torn, restarted.TornDamaged = uint64(found.Torn.Bytes), found.Torn.String(), found.Torn.Damaged
	}
	if !r.record(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorRestarted{SupervisorRestarted: restarted}}) {
		return nil, errors.Join(<-r.failed, j.Close())
	}
	failpoint.Hit("supervisor/after-restarted-record")
	s.cfg.Logger.Info("run taken up again", "run", u.id, "sessions", len(r.order), "open_sessions", r.cycle.open,
		"handlers_kept", len(kept), "handlers_gone", len(gone), "torn", restarted.GetTorn())
	byNumber := r.byNumber()
	byConnection := u.past.byConnection()
	for i := range kept {
		if of := byConnection[kept[i].Connection]; of != nil {
			kept[i].session, kept[i].resumeAfter = byNumber[of.number], of.durable
		}
	}
	for _, p := range r.order {
		r.procs.Go(func() { p.Run(r.procCtx) })
	}
	r.mourn(u, kept, gone)
	for _, a := range kept {
		r.running.Go(func() { r.resume(r.procCtx, a) })
	}
	if u.past.drained != "" {
		var since time.Duration
		if s.cfg.Handover != nil { // an upgrade holds nobody up
			since = u.past.clock.Since(time.Now())
		}
		r.drain(u.past.drained, u.past.drainLeft(s.cfg.DrainTimeout, since))
	}
	return r, nil
}

// recover sets up the run as its journal has it. Nothing runs yet.
func (r *run) recover(past *recovery) {
	r.started, r.restarts = past.started, past.restarts+1
	r.accepted.Store(past.accepted)
	r.refused.Store(past.refused)
	r.shedding.Total.Store(past.shed)
	now, since := time.Now(), past.clock.Since(time.Now())
	ago := func(moment time.Duration) time.Duration { return since + past.clock.Passed - moment }
	r.began = boottime.At(now) - int64(ago(0))
	for _, was := range past.inOrder() {
		p := newProcessor(r, was.number, was.id, was.hello)
		p.heard = boottime.At(now) - int64(ago(was.seen))
		p.awaySince.Store(p.heard)
		// Of the grace time that counts in which clients could come back.
		p.used = past.clock.Passed - was.detached - (past.clock.Down - was.down)
		if r.cfg.Handover != nil {
			p.used += since
		} else {
			p.least = comeBack
		}
		p.phase, p.durable, p.connection, p.poison = was.phase, was.durable, was.connection, was.poison
		p.holder, p.digests, p.told = was.holder, was.digests, was.told
		p.source = sourceOf(was.peer)
		switch p.phase {
		case fresh: // its first attachment is not in the journal
			p.phase, p.used = away, 0
		case active:
			p.phase = adrift
		}
		p.quiet.recover(was, boottime.At(now), ago)
		if was.silent > 0 {
			silent := was.silent + past.clock.Passed - past.clock.Down - was.fell
			if r.cfg.Handover != nil {
				silent += since
			}
			p.quiet.restore(silent, boottime.At(now))
		}
		heard := time.Time{}
		if was.said > 0 {
			heard = now.Add(-ago(was.said))
		}
		p.live.restore(p.phase, was, heard)
		r.join(p)
		r.list(p)
		if p.phase.ended() {
			r.cycle.sessionEnded()
			if p.hello.GetResent() && p.durable > 0 {
				r.count(p)
			}
		}
	}
}

// byNumber are the run's sessions by their numbers. Nothing else has r yet.
func (r *run) byNumber() map[uint32]*processor {
	out := make(map[uint32]*processor, len(r.order))
	for _, p := range r.order {
		out[p.number] = p
	}
	return out
}

// mourn records the handlers that did not outlive their supervisor, and tells the
// sessions that they served.
func (r *run) mourn(u *unfinished, kept []adopted, gone map[uint64]error) {
	byNumber := r.byNumber()
	alive := make(map[uint64]bool)
	for _, a := range kept {
		alive[a.Connection] = true
	}
	for _, h := range u.handlers {
		if _, attached := u.past.open[h.Connection]; !attached && !alive[h.Connection] {
			u.past.open[h.Connection] = openHandler{pid: int32(h.Child.Pid), peer: h.Peer}
		}
	}
	for _, connection := range u.past.orphans(alive) {
		was := u.past.open[connection]
		exited := &bulkheadv1.HandlerExited{ConnectionId: connection, Session: was.session, Peer: was.peer}
		var frame []byte
		if exited.Exit, exited.AtWork, frame = r.cfg.Handover.death(connection); exited.Exit == nil {
			exited.Exit, exited.AtWork, frame = epitaph(int(was.pid), gone[connection])
		}
		if err := r.roster.Remove(connection); err != nil {
			r.log.Error(err.Error())
		}
		rec := &bulkheadv1.Record{Entry: &bulkheadv1.Record_HandlerExited{HandlerExited: exited}}
		if was.session == 0 {
			r.record(rec)
			continue
		}
		byNumber[was.session].post(r.procCtx, note{
			kind: noteCut, connection: connection, cause: "handler " + exited.GetExit().GetCause(),
			class: bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR, frame: frame, exited: rec,
		})
	}
	// The cut of a session may be missing although its handler's end is recorded. Where
	// it is not, this one comes too late to change anything.
	for connection, of := range u.past.adrift() {
		if !alive[connection] {
			byNumber[of.number].post(r.procCtx, note{
				kind: noteCut, connection: connection, cause: "its handler ended with the supervisor", class: bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR,
			})
		}
	}
}

// epitaph says how a handler ended that could not be taken up for the reason err; nil if
// it was not even noted any more. frame is what it was at work on, if it was.
func epitaph(pid int, err error) (exit *bulkheadv1.ProcessExit, atWork bool, frame []byte) {
	var late *child.AdoptError
	if !errors.As(err, &late) {
		return &bulkheadv1.ProcessExit{
			Process: &bulkheadv1.Process{Pid: int32(pid)}, Class: bulkheadv1.ExitClass_EXIT_CLASS_ORPHANED,
			Cause: "ended while no supervisor was running",
		}, false, nil
	}
	end := late.Child.Exit()
	exit = end.Proto(nil)
	frame, atWork = late.Child.Box()
	if end.Class() == bulkheadv1.ExitClass_EXIT_CLASS_KILLED {
		exit.Class = bulkheadv1.ExitClass_EXIT_CLASS_HANG
		exit.Cause = strings.ToValidUTF8(fmt.Sprintf("hung: it could not be taken up again: %v; killed", late.Err), "?")
	}
	return exit, atWork, frame
}
