package supervisor

import (
	"context"
	"os"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/child"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/watch"
)

// watch takes the samples for the rates, and logs progress, until ctx is done.
func (r *run) watch(ctx context.Context) {
	second := time.NewTicker(watch.LookEvery)
	defer second.Stop()
	progress := r.whenToLog()
	defer progress.Stop()
	defer r.rejected.Flush(r.log)
	kills := child.SystemKills()
	for {
		select {
		case <-second.C:
			r.uptime.Look(time.Now())
			r.outlived(kills) // a second ago
			kills = child.SystemKills()
			r.checkFolder()
			r.rejected.Flush(r.log)
			for _, p := range r.processors() {
				p.live.tick()
				p.listen()
			}
		case <-progress.C:
			r.logProgress()
		case <-ctx.Done():
			return
		}
	}
}

// whenToLog is when a line of progress is due: never if nobody wants one.
func (r *run) whenToLog() *time.Ticker {
	if r.cfg.Watch == nil && r.cfg.ProgressEvery > time.Nanosecond {
		return time.NewTicker(r.cfg.ProgressEvery)
	}
	never := time.NewTicker(time.Hour)
	never.Stop()
	return never
}

// outlived tells the handlers that serve connections what they have outlived.
func (r *run) outlived(kills uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.links {
		if l.child != nil {
			l.child.Outlived(kills)
		}
	}
}

// logProgress says in one line how the run goes, if anybody is there.
func (r *run) logProgress() {
	var activeNow, awayNow, endedNow int
	var total raw.Counted
	var rate float64
	for _, p := range r.processors() {
		v := p.live.snapshot()
		switch {
		case v.phase == active:
			activeNow++
		case v.phase == away:
			awayNow++
		case v.phase.ended():
			endedNow++
		}
		total.Add(v.total)
		rate += v.bytesPerSecond
	}
	if activeNow+awayNow == 0 {
		return
	}
	r.log.Info("progress", append([]any{"active", activeNow, "away", awayNow, "ended", endedNow,
		"written_bytes", total.Bytes, "rate_bytes_per_second", rate,
		"messages", total.Messages, "errors", total.Errors}, absentees(r.absent())...)...)
}

func (r *run) processors() []*processor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*processor(nil), r.order...)
}

// status is a snapshot for the control API. Its state is that of the run, "starting"
// before there is one, also while one is taken up again, and "reporting" after one.
func (s *Supervisor) status(ctx context.Context) *bulkheadv1.StatusResponse {
	pool := s.pool.Counts(ctx)
	out := &bulkheadv1.StatusResponse{
		Pid: int32(os.Getpid()), Version: s.cfg.Version, Listen: s.listener.Addr().String(),
		NowUnixNano: time.Now().UnixNano(), ExpectedClients: uint32(s.cfg.Clients), State: "starting",
		PoolReady: uint32(pool.Ready), PoolStarting: uint32(pool.Starting),
	}
	out.Reserves = s.reserves()
	if s.cfg.LostLines != nil {
		out.LostLogLines = s.cfg.LostLines()
	}
	r := s.currentRun()
	over := r == nil
	if over {
		if r = s.lastRun(); r == nil {
			return out
		}
	}
	r.mu.Lock()
	cycle := r.cycle
	absent := r.register.Absent()
	out.ExpectsNames, out.DrainReason = r.register.ByName(), r.drained
	for l := range r.links {
		if l.child != nil {
			out.HandlersBusy++
		}
	}
	r.mu.Unlock()
	out.RunId, out.RunDir = r.id, r.dir
	out.StartedUnixNano, out.LastedNano = r.started.UnixNano(), max(boottime.Now()-r.began, 1)
	out.JoinedClients = uint32(cycle.joined)
	out.AbsentLeftOut = uint32(max(len(absent)-shownAbsent, 0))
	out.AbsentNames = absent[:min(len(absent), shownAbsent)]
	out.AcceptedConnections, out.RejectedConnections = r.accepted.Load(), r.refused.Load()
	out.Restarts = uint32(r.restarts)
	out.Reserves = append(append(out.Reserves, r.inboxes.Status()), r.diskStatus()...)
	out.ShedConnections = r.shedding.Total.Load()
	out.State = cycle.String()
	if over {
		out.State = "reporting"
	}
	var whole, recent raw.Sketch
	for _, p := range r.processors() {
		st, w, n := p.status()
		out.Sessions = append(out.Sessions, st)
		whole.Add(&w)
		recent.Add(&n)
	}
	out.ChunkWrites = writesStatus(&whole, &recent)
	return out
}

// String is the state of the run as status shows it.
func (l *lifecycle) String() string {
	switch {
	case l.draining:
		return "draining"
	case l.open == 0 && l.joined < l.expected:
		return "waiting"
	default:
		return "running"
	}
}

// status is a session as status shows it, and its chunk writes: of the whole run, and
// of the last seconds.
func (p *processor) status() (out *bulkheadv1.SessionStatus, whole, recent raw.Sketch) {
	v := p.live.snapshot()
	p.live.sketches(&whole, &recent)
	out = &bulkheadv1.SessionStatus{
		Session: p.number, SessionId: p.id, Name: p.hello.GetName(), Host: p.hello.GetHost(), State: v.phase.String(), Cause: v.cause,
		HandlerPid: int32(v.handlerPid), Peer: v.peer, DurableSeq: v.total.Messages,
		Bytes: v.total.Bytes, Chunks: v.total.Chunks, Errors: v.total.Errors,
		BytesPerSecond: v.bytesPerSecond, MessagesPerSecond: v.msgsPerSecond, Resumes: v.resumes, Note: p.note,
		Rollovers: v.total.Rollovers, ChunkWrites: writesStatus(&whole, &recent), Beats: beatsStatus(v.total),
	}
	if !v.lastMessage.IsZero() {
		out.LastMessageUnixNano, out.LastMessageAgoNano = v.lastMessage.UnixNano(), max(int64(time.Since(v.lastMessage)), 1)
	}
	out.SilentNano = int64(p.quiet.shown(boottime.Now()))
	if v.phase == away {
		out.AwayNano = int64(p.away())
	}
	return out, whole, recent
}

// beatsStatus is a session's heartbeats, as status shows them.
func beatsStatus(c raw.Counted) *bulkheadv1.Beats {
	return &bulkheadv1.Beats{
		Answered: c.Beats.Answered, Late: c.Beats.Late, Missed: c.Beats.Missed, Stalled: c.Beats.Stalled, Rounds: c.Rounds,
		LastAnswered: uint32(c.LastRound.Answered), LastLate: uint32(c.LastRound.Late),
		LastMissed: uint32(c.LastRound.Missed), LastStalled: uint32(c.LastRound.Stalled),
	}
}
