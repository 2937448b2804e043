package supervisor

import (
	"context"
	"maps"
	"os"
	"slices"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/internal/boottime"
	"bulkhead/internal/child"
	"bulkhead/internal/plaintext"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/reserve"
	"bulkhead/supervisor/rundir"
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
			r.checkSpace()
			r.rejected.Flush(r.log)
			sessions := r.processors()
			for _, p := range sessions {
				p.live.tick()
				p.listen()
			}
			r.assert(sessions, boottime.Now())
		case <-progress.C:
			r.logProgress()
		case <-ctx.Done():
			return
		}
	}
}

// whenToLog returns a ticker for the lines of progress; it never ticks if nobody wants them.
func (r *run) whenToLog() *time.Ticker {
	if r.cfg.Watch == nil && r.cfg.Log.ProgressInterval > 0 {
		return time.NewTicker(r.cfg.Log.ProgressInterval)
	}
	never := time.NewTicker(time.Hour)
	never.Stop()
	return never
}

// outlived sends the handlers that serve connections what they have outlived.
func (r *run) outlived(kills uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.links {
		if l.child != nil {
			l.child.Outlived(kills)
		}
	}
}

// logProgress logs in one line how the run goes, if it has clients.
func (r *run) logProgress() {
	var views []liveView
	for _, p := range r.processors() {
		views = append(views, p.live.snapshot())
	}
	total := totalsOf(views)
	in := make(map[bulkheadv1.SessionState]uint32)
	ended := uint32(0)
	for _, c := range total.GetCounts() {
		in[c.GetSessionState()] = c.GetSessions()
		if c.GetSessionState() >= bulkheadv1.SessionState_SESSION_STATE_CLOSED {
			ended += c.GetSessions()
		}
	}
	activeNow, awayNow := in[bulkheadv1.SessionState_SESSION_STATE_ACTIVE],
		in[bulkheadv1.SessionState_SESSION_STATE_AWAY]
	if activeNow+awayNow == 0 {
		return
	}
	r.log.Info("progress", append([]any{"active", activeNow, "away", awayNow, "ended", ended,
		"written_bytes", total.GetBytes(), "rate_bytes_per_second", total.GetBytesPerSecond(),
		"messages", total.GetMessages(), "errors", total.GetErrors()}, absentees(r.absent())...)...)
}

func (r *run) processors() []*processor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*processor(nil), r.order...)
}

// status returns a snapshot for the control API. Its state is that of the run, "starting"
// before there is one, also while one is resumed, and "reporting" after one.
func (s *Supervisor) status(ctx context.Context) *bulkheadv1.StatusResponse {
	pool := s.pool.Counts(ctx)
	out := &bulkheadv1.StatusResponse{
		Pid: int32(os.Getpid()), Version: s.cfg.Version, Listen: s.listener.Addr().String(),
		NowUnixNano: time.Now().UnixNano(), ExpectedClients: uint32(s.cfg.Clients.Count),
		PoolReady: uint32(pool.Ready), PoolStarting: uint32(pool.Starting),
		Certificate: s.cfg.credentials().Certificate(),
	}
	out.Sandbox = s.custody.State()
	if threads := s.threads.Status(s.pool.Spare()); threads != nil {
		out.Reserves = append(out.Reserves, threads)
	}
	out.Reserves = append(out.Reserves, reserve.DescriptorStatus())
	out.Agents = s.agentStatus()
	setRunState(out, bulkheadv1.RunState_RUN_STATE_STARTING)
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
	if !over {
		out.Gather = r.gatherStatus()
		out.StageWaits = r.stageStatus()
	}
	out.Assertions = r.assertionStatus()
	out.ExpectsNames, out.DrainReason = r.register.ByName(), r.drained
	for l := range r.links {
		if l.child != nil {
			out.HandlersBusy++
		}
	}
	r.mu.Unlock()
	out.RunId, out.RunDir = r.id, r.dir
	out.ExpectedClients = uint32(r.cfg.Clients.Count)
	out.StartedUnixNano, out.LastedNano = r.started.UnixNano(), max(boottime.Now()-r.began, 1)
	out.JoinedClients = uint32(cycle.joined)
	out.AbsentLeftOut = uint32(max(len(absent)-shownAbsent, 0))
	out.AbsentNames = absent[:min(len(absent), shownAbsent)]
	out.AcceptedConnections, out.RejectedConnections = r.accepted.Load(), r.refused.Load()
	out.Restarts = uint32(r.restarts)
	if r.engine != nil {
		out.JournalUnavailableNano = int64(r.engine.Outage())
	}
	out.Reserves = append(out.Reserves, r.inboxes.Status())
	out.Reserves = append(out.Reserves,
		r.space.Status(r.journalled(), journal.Reserved(r.space.Folder), r.livesOnReserve.Load())...)
	if r.cfg.Overload.JournalShare > 0 {
		out.Reserves = append(out.Reserves, r.workStatus())
	}
	out.ShedConnections = r.shedding.Total.Load()
	setRunState(out, cycle.state())
	if over {
		setRunState(out, bulkheadv1.RunState_RUN_STATE_REPORTING)
	}
	var whole, recent, reads, recentReads raw.Sketch
	var views []liveView
	for _, p := range r.processors() {
		views = append(views, p.live.snapshot())
		st, w, n := p.status(views[len(views)-1])
		out.Sessions = append(out.Sessions, st)
		whole.Add(&w)
		recent.Add(&n)
		p.live.readSketches(&reads, &recentReads)
	}
	out.ReadCalls = readsStatus(&reads, &recentReads)
	out.ChunkWrites = writesStatus(&whole, &recent)
	out.Totals = totalsOf(views)
	out.Supervisors, out.RunTotals = r.memberStatus(cycle.open, out.GetTotals())
	clean(out.ProtoReflect())
	return out
}

// workStatus returns what status shows of the work that clients' messages cause.
func (r *run) workStatus() *bulkheadv1.Reserve {
	left, held, ever := r.shares.State()
	return &bulkheadv1.Reserve{
		Kind: bulkheadv1.ReserveKind_RESERVE_KIND_WORK, LimitedBy: "overload.journal_share",
		Limit: uint64(r.cfg.shares().All * 1e6), Left: uint64(left * 1e6), Reached: held > 0, TimesReached: ever,
	}
}

// setRunState sets the state of a run, and its name.
func setRunState(out *bulkheadv1.StatusResponse, state bulkheadv1.RunState) {
	out.RunState = state
	out.State = protocol.Word(state)
}

// totalsOf adds sessions up: here, and nowhere else.
func totalsOf(sessions []liveView) *bulkheadv1.SessionTotals {
	out := new(bulkheadv1.SessionTotals)
	counts := make(map[phase]uint32)
	for i := range sessions {
		v := &sessions[i]
		counts[v.phase]++
		out.Messages += v.total.Messages
		out.Bytes += v.total.Bytes
		out.Chunks += v.total.Chunks
		out.Errors += v.total.Errors
		out.ReadBytes += v.total.ReadBytes
		out.Reads += v.total.Reads
		if v.phase == active {
			out.ReadBytesPerSecond += v.readPerSecond
			out.BytesPerSecond += v.bytesPerSecond
			out.MessagesPerSecond += v.msgsPerSecond
		}
	}
	for p, state := range states {
		if n := counts[phase(p)]; n > 0 {
			out.Counts = append(out.Counts, &bulkheadv1.SessionCount{SessionState: state, Sessions: n})
		}
	}
	return out
}

// totals adds up the sessions that are or were this supervisor's.
func (r *run) totals() *bulkheadv1.SessionTotals {
	var views []liveView
	for _, p := range r.processors() {
		views = append(views, p.live.snapshot())
	}
	return totalsOf(views)
}

// memberStatus returns the supervisors that are at work in the run, this one first, and all their sessions
// together; none if it is alone.
func (r *run) memberStatus(open int, own *bulkheadv1.SessionTotals) (list []*bulkheadv1.SupervisorStatus,
	all *bulkheadv1.SessionTotals) {
	if r.others.atWork() == 0 {
		return nil, nil
	}
	list = append(list, &bulkheadv1.SupervisorStatus{Supervisor: r.engine.Supervisor(), Host: rundir.Host().GetName(),
		Listen: r.listen, OpenSessions: uint32(open), Totals: own})
	o := r.others
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range o.members.Others() {
		if b, heard := o.beats[n]; heard {
			list = append(list, &bulkheadv1.SupervisorStatus{Supervisor: n, Host: b.GetHost(), Listen: b.GetListen(),
				HeardAgoNano: max(int64(time.Since(b.at)), 1), OpenSessions: b.GetOpenSessions(),
				Totals: b.GetTotals()})
		}
	}
	return list, allTotals(list)
}

// allTotals adds up what supervisors say.
func allTotals(list []*bulkheadv1.SupervisorStatus) *bulkheadv1.SessionTotals {
	all := new(bulkheadv1.SessionTotals)
	counts := make(map[bulkheadv1.SessionState]uint32)
	for _, s := range list {
		t := s.GetTotals()
		all.Bytes += t.GetBytes()
		all.Chunks += t.GetChunks()
		all.Errors += t.GetErrors()
		all.Messages += t.GetMessages()
		all.ReadBytes += t.GetReadBytes()
		all.Reads += t.GetReads()
		all.BytesPerSecond += t.GetBytesPerSecond()
		all.MessagesPerSecond += t.GetMessagesPerSecond()
		all.ReadBytesPerSecond += t.GetReadBytesPerSecond()
		for _, c := range t.GetCounts() {
			counts[c.GetSessionState()] += c.GetSessions()
		}
	}
	for _, state := range slices.Sorted(maps.Keys(counts)) {
		all.Counts = append(all.Counts, &bulkheadv1.SessionCount{SessionState: state, Sessions: counts[state]})
	}
	return all
}

// clean makes every text of a status safe to print, but for the supervisor's own paths and
// addresses: clients chose some of the others. Whoever shows a status need not do it again.
func clean(m protoreflect.Message) {
	_, whole := m.Interface().(*bulkheadv1.StatusResponse)
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch own := whole && (field.Name() == "run_dir" || field.Name() == "listen"); {
		case own:
		case field.Kind() == protoreflect.StringKind && field.IsList():
			for i := range v.List().Len() {
				v.List().Set(i, protoreflect.ValueOfString(plaintext.Line(v.List().Get(i).String(), plaintext.MaxText)))
			}
		case field.Kind() == protoreflect.StringKind:
			m.Set(field, protoreflect.ValueOfString(plaintext.Line(v.String(), plaintext.MaxText)))
		case field.Kind() == protoreflect.MessageKind && field.IsList():
			for i := range v.List().Len() {
				clean(v.List().Get(i).Message())
			}
		case field.Kind() == protoreflect.MessageKind:
			clean(v.Message())
		}
		return true
	})
}

// state returns the state of the run as status has it.
func (l *lifecycle) state() bulkheadv1.RunState {
	switch {
	case l.draining:
		return bulkheadv1.RunState_RUN_STATE_DRAINING
	case l.open == 0 && l.joined < l.expected:
		return bulkheadv1.RunState_RUN_STATE_WAITING
	default:
		return bulkheadv1.RunState_RUN_STATE_RUNNING
	}
}

// status returns a session as status shows it, of which v are the live figures, and its chunk
// writes: of the whole run, and of the last seconds.
func (p *processor) status(v liveView) (out *bulkheadv1.SessionStatus, whole, recent raw.Sketch) {
	p.live.sketches(&whole, &recent)
	out = &bulkheadv1.SessionStatus{
		Session: p.number, SessionId: p.id, Name: p.hello.GetName(), Host: p.hello.GetHost(), State: v.phase.String(),
		SessionState: v.phase.state(), Cause: v.cause,
		HandlerPid: int32(v.handlerPid), Peer: v.peer, DurableSeq: v.total.Messages,
		Bytes: v.total.Bytes, Chunks: v.total.Chunks, Errors: v.total.Errors,
		BytesPerSecond: v.bytesPerSecond, MessagesPerSecond: v.msgsPerSecond, Resumes: v.resumes, Note: p.note,
		Rollovers: v.total.Rollovers, ChunkWrites: writesStatus(&whole, &recent), Beats: beatsStatus(v.total),
		ReadBytes: v.total.ReadBytes, Reads: v.total.Reads, ReadBytesPerSecond: v.readPerSecond,
	}
	var reads, recentReads raw.Sketch
	p.live.readSketches(&reads, &recentReads)
	out.ReadCalls = readsStatus(&reads, &recentReads)
	if !v.lastMessage.IsZero() {
		out.LastMessageUnixNano, out.LastMessageAgoNano = v.lastMessage.UnixNano(), max(
			int64(time.Since(v.lastMessage)), 1)
	}
	in := p.live.stage(time.Now())
	out.Stage, out.StageName, out.Stages, out.StageLeftNano = in.number, in.name, in.of, int64(in.left)
	out.SilentNano = int64(p.quiet.Shown(boottime.Now()))
	if v.phase == away {
		out.AwayNano = int64(p.away())
	}
	return out, whole, recent
}

// beatsStatus returns a session's heartbeats, as status shows them.
func beatsStatus(c raw.Counted) *bulkheadv1.Beats {
	return &bulkheadv1.Beats{
		Answered: c.Beats.Answered, Late: c.Beats.Late, Missed: c.Beats.Missed, Stalled: c.Beats.Stalled,
		Rounds:       c.Rounds,
		LastAnswered: uint32(c.LastRound.Answered), LastLate: uint32(c.LastRound.Late),
		LastMissed: uint32(c.LastRound.Missed), LastStalled: uint32(c.LastRound.Stalled),
	}
}

// readsStatus does what writesStatus does with reads; nil if there are none.
func readsStatus(whole, recent *raw.Sketch) *bulkheadv1.ChunkWrites {
	if whole.Count == 0 {
		return nil
	}
	return writesStatus(whole, recent)
}

// writesStatus returns a session's or a run's chunk writes, as status shows them.
func writesStatus(whole, recent *raw.Sketch) *bulkheadv1.ChunkWrites {
	return &bulkheadv1.ChunkWrites{
		Count: whole.Count, SumNano: whole.Sum,
		P50Nano: whole.Quantile(0.5), P99Nano: whole.Quantile(0.99), P999Nano: whole.Quantile(0.999),
		MaxNano:       int64(whole.Max),
		RecentP50Nano: recent.Quantile(0.5), RecentP99Nano: recent.Quantile(0.99), RecentMaxNano: int64(recent.Max),
	}
}
