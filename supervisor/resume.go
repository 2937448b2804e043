package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/config/value"
	"bulkhead/internal/failpoint"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/single"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/recovery"
	"bulkhead/supervisor/rundir"
)

// whyDamaged is why a run is drained that was resumed behind damage in its journal.
const whyDamaged = "the journal is damaged, and the report ends where that is"

// resumeRun opens a run again, as its supervisor left it: sessions as the journal has
// them, connections as their handlers do.
func (s *Supervisor) resumeRun(ctx context.Context, u *unfinished) (*run, error) {
	reopened, err := s.reopen(u)
	if err != nil {
		return nil, err
	}
	failpoint.Hit("supervisor/before-adopt")
	kept, gone := s.adopt(ctx, u.handlers)
	failpoint.Hit("supervisor/after-adopt")
	if err := u.roster.Sweep(); err != nil {
		s.cfg.Logger.Error(err.Error())
	}
	cfg, err := asItsJobSays(s.cfg, reopened.job)
	if err != nil {
		return nil, errors.Join(err, reopened.book.Close())
	}
	r := runOn(cfg, u.id, u.dir, reopened.book, u.roster, s.pool, s.gate)
	reopened.take(r)
	for _, c := range u.past.Joined {
		r.joins(c)
	}
	r.recover(u.past, reopened.part)
	r.regather(u.past)
	since := time.Duration(0)
	if s.cfg.Inherited != nil {
		since = u.past.Clock.Since(time.Now())
	}
	r.regatherStages(u.past, since)
	r.redivide(u.past)
	r.reasserts(u.past)
	r.waitsOn(u.past, since)
	r.latest = func() error { return s.state.Point(rundir.LatestLink, u.id) }
	if len(r.order) > 0 || !s.cfg.KeepRunning {
		r.becomeLatest()
	}
	restarted := &bulkheadv1.SupervisorRestarted{
		Kind: bulkheadv1.RestartKind_RESTART_KIND_RESTARTED, Pid: int32(os.Getpid()),
		Version: s.cfg.Version, GoVersion: runtime.Version(), ExpectedClients: uint32(cfg.Clients.Count),
		Listen:       s.listener.Addr().String(),
		HandlersKept: uint32(len(kept)), HandlersGone: uint32(len(gone)),
		BootId: reopened.boot, ExpectedNames: cfg.Clients.Names, Settings: settingsOf(cfg),
		RecordMinor: protocol.RecordMinor, Sandbox: s.custody.State(),
	}
	for _, a := range kept {
		if !s.custody.Adopt(a.child) {
			restarted.Sandbox.UnlockedHandlers++
		}
	}
	if n := restarted.Sandbox.UnlockedHandlers; n > 0 {
		s.cfg.Logger.Warn("handlers that were adopted are not locked in: they are of an earlier program, and keep "+
			"their clients", "handlers", n)
	}
	if s.cfg.Inherited != nil {
		restarted.Kind = bulkheadv1.RestartKind_RESTART_KIND_UPGRADED
	}
	if torn := reopened.torn; torn != nil {
		r.damagedEnd = torn.Damaged
		restarted.TornBytes, restarted.Torn, restarted.TornDamaged = uint64(torn.Bytes), torn.String(), torn.Damaged
	}
	if u.onEngine && u.engine.Before == 0 { // it has come to a run that others began, and restarts nothing
		r.restarts--
	} else if !r.record(&bulkheadv1.Record{
		Entry: &bulkheadv1.Record_SupervisorRestarted{SupervisorRestarted: restarted}}) {
		return nil, errors.Join(<-r.failed, r.book.Close())
	}
	failpoint.Hit("supervisor/after-restarted-record")
	s.cfg.Logger.Info("run resumed", "run", u.id, "sessions", len(r.order), "open_sessions", r.cycle.open,
		"handlers_kept", len(kept), "handlers_gone", len(gone), "torn", restarted.GetTorn(),
		"replayed_bytes", u.loaded.Bytes, "checkpoint_bytes", u.loaded.From.Bytes)
	byNumber := r.byNumber()
	byConnection := u.past.ByConnection()
	for i := range kept {
		if of := byConnection[kept[i].Connection]; of != nil {
			kept[i].session, kept[i].resumeAfter = byNumber[of.Number], of.Durable
		}
	}
	for _, p := range r.order {
		r.procs.Go(func() { p.Run(r.procCtx) })
	}
	r.mourn(u, kept, gone)
	for _, a := range kept {
		r.running.Go(func() { r.resume(r.procCtx, a) })
	}
	if u.past.Drain.Reason != "" {
		var since time.Duration
		if s.cfg.Inherited != nil { // an upgrade holds nobody up
			since = u.past.Clock.Since(time.Now())
		}
		r.drain(bulkheadv1.DrainCause_DRAIN_CAUSE_UNSPECIFIED, u.past.Drain.Reason,
			u.past.DrainLeft(u.past.Drain, s.cfg.DrainTimeout, since))
	}
	return r, nil
}

// reopened is the journal of a run that is resumed.
type reopened struct {
	book cluster.Run
	// part gives a session its part of it.
	part func(client []byte, h cluster.Head) cluster.Log
	// take lets the run look after it.
	take func(r *run)
	torn *journal.Torn
	boot string                 // whose clock its times are of, from here on
	job  *bulkheadv1.JobStarted // nil for none
}

// reopen opens the journal of a run again.
func (s *Supervisor) reopen(u *unfinished) (reopened, error) {
	if u.onEngine { // which keeps to the clock that the run began with
		return reopened{book: u.engine, part: u.part, take: func(*run) {}, boot: u.past.Clock.Boot,
			job: u.engine.Job}, nil
	}
	folder := filepath.Join(u.dir, rundir.JournalFolder)
	full := make(chan error, 1)
	options := s.cfg.journalOptions(full)
	options.Read = u.loaded.End
	j, found, err := journal.Open(folder, options)
	if err != nil {
		return reopened{}, fmt.Errorf("opening the journal of run %s again: %w", u.id, err)
	}
	for _, h := range u.handlers { // what the journal knows of a connection may have been lost
		u.past.Accepted = max(u.past.Accepted, h.Connection)
	}
	book := single.On(folder, j, u.past.Accepted)
	damaged := make(chan struct{}, 1)
	take := func(r *run) {
		r.full, r.damaged, r.journalled = full, damaged, j.Acknowledged
		r.keeper = recovery.NewKeeper(folder, u.loaded, j.Acknowledged, s.cfg.Logger)
		r.keeper.Damaged = func(err error) {
			r.log.Error("the run is drained: "+whyDamaged, "error", err)
			damaged <- struct{}{} // has room: Damaged is called once
		}
	}
	return reopened{book: book, part: book.Restore, take: take, torn: found.Torn, boot: boottime.ID(),
		job: jobIn(folder)}, nil
}

// asItsJobSays returns the settings of a run that is resumed: those of this supervisor, and of a run
// that was begun for a job what that run expects, which no supervisor is set to.
func asItsJobSays(cfg Config, job *bulkheadv1.JobStarted) (Config, error) {
	if job == nil {
		return cfg, nil // or what is wrong with the journal is found by others
	}
	var err error
	var names []string
	for _, c := range job.GetClients() {
		names = append(names, c.GetClient())
	}
	if cfg.Clients, err = value.NamedClients(names); err != nil {
		return cfg, fmt.Errorf("the clients of job %q in the journal: %w", job.GetName(), err)
	}
	cfg.WaitClients, cfg.KeepRunning, cfg.job = 0, false, job
	return cfg, nil
}

// recover sets up the run as its journal has it, of which open gives each session its part. Nothing runs yet.
func (r *run) recover(past *recovery.Past, open func(client []byte, h cluster.Head) cluster.Log) {
	r.started, r.restarts = time.Unix(0, past.Started), past.Restarts+1
	_, accepted := cluster.ConnectionOf(past.Accepted)
	r.accepted.Store(accepted)
	r.refused.Store(past.Refused)
	r.shedding.Total.Store(past.Shed)
	now, since := time.Now(), past.Clock.Since(time.Now())
	r.began = boottime.At(now) - int64(since+past.Clock.Passed)
	for _, was := range past.InOrder() {
		p := r.restored(past, was, open(was.Hello.GetClientId(), cluster.Head{Session: was.Number,
			Connection: was.Connection, Attaches: was.Attaches, Durable: was.Durable, Phase: was.State}), now, since)
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

// restored returns a session as its journal has it, whose newest record is since old. Nothing of it runs yet.
func (r *run) restored(past *recovery.Past, was *recovery.Session, book cluster.Log, now time.Time,
	since time.Duration) *processor {
	ago := func(moment time.Duration) time.Duration { return since + past.Clock.Passed - moment }
	p := newProcessor(r, was.Number, was.ID, was.Hello)
	p.who, p.book = was.Who, book
	p.heard = boottime.At(now) - int64(ago(was.Seen))
	p.awaySince.Store(p.heard)
	// Of the grace time that counts in which clients could come back.
	p.used = past.Clock.Passed - was.Detached - (past.Clock.Down - was.Down)
	if r.cfg.Inherited != nil {
		p.used += since
	} else {
		p.least = comeBack
	}
	p.phase, p.durable, p.connection, p.poison = phaseOf(was.State), was.Durable, was.Connection, was.Poison
	p.holder, p.digests, p.told = was.Holder, was.Digests, was.Told
	p.source = sourceOf(was.Peer)
	switch p.phase {
	case fresh: // its first attachment is not in the journal
		p.phase, p.used = away, 0
	case active:
		p.phase = adrift
	}
	if was.Total.Stopped {
		p.quiet.Finish()
	}
	if was.Wrote > 0 {
		p.quiet.Wrote(boottime.At(now) - int64(ago(was.Wrote)))
	}
	p.quiet.Attached(boottime.At(now))
	if why := was.Drain.Reason; why != "" && !p.phase.ended() {
		var passed time.Duration
		if r.cfg.Inherited != nil {
			passed = since
		}
		p.drain, p.drainBy = &bulkheadv1.Drain{Reason: why},
			now.Add(past.DrainLeft(was.Drain, r.cfg.DrainTimeout, passed))
		p.quiet.Finish()
		p.limitDrain()
	}
	if was.Silent > 0 {
		silent := was.Silent + past.Clock.Passed - past.Clock.Down - was.Fell
		if r.cfg.Inherited != nil {
			silent += since
		}
		p.quiet.Restore(silent, boottime.At(now))
	}
	var heard time.Time
	if was.Said > 0 {
		heard = now.Add(-ago(was.Said))
	}
	p.live.restore(p.phase, was, heard, now.Add(-ago(was.Staged)))
	return p
}

// jobIn returns the job that the run of a journal was begun for; nil for none, or if that cannot be read.
func jobIn(dir string) *bulkheadv1.JobStarted {
	var job *bulkheadv1.JobStarted
	n, enough := 0, errors.New("a job is the second record")
	_, err := journal.Replay(dir, func(r *bulkheadv1.Record) error {
		if n++; n < 2 {
			return nil
		}
		job = r.GetJobStarted()
		return enough
	})
	if err != nil && !errors.Is(err, enough) {
		return nil
	}
	return job
}

// byNumber returns the run's sessions by their numbers. Nothing else has r yet.
func (r *run) byNumber() map[uint32]*processor {
	out := make(map[uint32]*processor, len(r.order))
	for _, p := range r.order {
		out[p.number] = p
	}
	return out
}
