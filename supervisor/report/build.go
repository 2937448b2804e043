package report

import (
	"cmp"
	"maps"
	"slices"

	"bulkhead/internal/latency"
)

// Report returns what the records folded so far amount to. It shares nothing with
// the Folder, which may go on.
func (f *Folder) Report() *Report { return f.report(false) }

// SoFar is Report of a run that somebody knows to go on.
func (f *Folder) SoFar() *Report { return f.report(true) }

func (f *Folder) report(goesOn bool) *Report {
	for _, s := range f.order {
		s.tighten() // others may have come since its last message
	}
	r := &Report{
		Schema:            Schema,
		Run:               f.run,
		Clients:           make([]Client, 0, len(f.order)),
		HandlersLeftOut:   f.handlers.leftOut,
		RejectionGroups:   f.rejectionGroups.list(),
		Rejections:        f.rejections.list(),
		RejectionsLeftOut: f.rejections.leftOut,
		Journal: Journal{
			Records:           f.records,
			Violations:        append([]string{}, f.violations.order...),
			ViolationsLeftOut: f.violations.leftOut,
			Damage:            copyOf(f.damage),
		},
	}
	r.Run.Restarts, r.Run.RestartsLeftOut = f.restarts.list(), f.restarts.leftOut
	r.Run.ClockSteps, r.Run.Reboots = f.clock.moved(0), append([]Stamp(nil), f.reboots...)
	r.Run.Pauses, r.Run.PausesLeftOut = slices.Clone(f.pauses.items), f.pauses.leftOut
	r.Run.Shed = append([]Shed{}, f.shed...)
	r.Run.DrainedAt, r.Run.DrainCause, r.Run.DrainReason = f.drainAt, f.drainCause, f.drainWhy
	if f.run.End == "" {
		r.Run.LengthNano = between(f.run.StartedAt, f.last)
	}
	ids := make(map[uint32]string)
	parts := f.parts()
	continued := make(map[*sessionState]bool)
	for _, p := range parts {
		continued[p.of] = true
	}
	labels := f.labels(parts)
	for _, s := range f.order {
		c := s.build(labels[s.client.Session], f.pausedBetween)
		if p, is := parts[s]; is {
			c.Continues, c.ContinuesGapless, c.MissingUntil = p.of.client.Session, p.gapless, p.missing
		} else if !s.isEmpty() || continued[s] {
			ids[c.Session] = s.clientID
		}
		r.Clients = append(r.Clients, c)
	}
	r.attend(ids)
	r.Handlers = f.buildHandlers(labels)
	var union [phases]latency.Histogram
	r.Totals = f.totals(r.Clients, &union)
	r.Series = f.series(r, &union)
	r.Findings = findings(r)
	r.Verdict = f.verdict(r, goesOn)
	r.Verdict.Headline = r.headline()
	return r
}

// labels returns a name for each session that no other session has. One that is the
// rest of another leaves that one its name.
func (f *Folder) labels(parts map[*sessionState]part) map[uint32]string {
	named := make(map[string]int)
	for _, s := range f.order {
		if _, is := parts[s]; !is {
			named[s.client.Name]++
		}
	}
	labels := make(map[uint32]string, len(f.order))
	for _, s := range f.order {
		if _, is := parts[s]; is {
			labels[s.client.Session] = labelOf(s.client.Name, s.client.Session, true) + " resent"
			continue
		}
		labels[s.client.Session] = labelOf(s.client.Name, s.client.Session, named[s.client.Name] > 1)
	}
	return labels
}

func (f *Folder) buildHandlers(labels map[uint32]string) []Handler {
	list := make([]Handler, 0, len(f.handlers.items))
	for _, h := range f.handlers.list() {
		built := *h
		built.Client = labels[h.Session]
		built.Exit = copyOf(h.Exit)
		list = append(list, built)
	}
	return list
}

// totals adds up the clients. Its histogram is the union of theirs, and its
// window covers theirs, moved to the supervisor's clock and cut to the run: a
// client whose clock makes no sense cannot stretch it beyond that. It leaves its
// histogramss in union.
func (f *Folder) totals(clients []Client, union *[phases]latency.Histogram) Totals {
	var t Totals
	var writing window
	for of := range union {
		union[of].Merge(&f.rooms.union[of])
	}
	var late uint64 // bytes of clients that were delivered later, out of the run's time
	run := window{f.run.StartedAt, f.last}
	for i, s := range f.order {
		c := &clients[i]
		t.Writes.add(&c.Writes)
		t.Heartbeats.add(&c.Heartbeats)
		t.Messages += c.Messages
		t.Malformed += c.Malformed
		t.UnknownFacts += c.UnknownFacts
		t.Resumes += c.Resumes
		t.KeptThroughRestarts += c.KeptThroughRestarts
		for of := range union {
			union[of].Merge(&s.latencies[of].fine)
		}
		if c.Resent {
			late = plus(late, c.Bytes)
			continue
		}
		if s.window != (window{}) {
			w := s.window.moved(c.ClockOffsetNano).within(run)
			writing.cover(w.from, w.to)
		}
	}
	t.Writes.finish(writing, func(of phase) Latency { return latencyOf(&union[of]) })
	t.BytesPerSecond = perSecond(t.Bytes-min(late, t.Bytes), t.WritingNano)
	return t
}

func (w *Writes) add(o *Writes) {
	w.Bytes = plus(w.Bytes, o.Bytes)
	w.Chunks = plus(w.Chunks, o.Chunks)
	w.Errors = plus(w.Errors, o.Errors)
	if o.LastError != "" {
		w.LastError = o.LastError
	}
	w.Files += o.Files
	w.PartialFiles += o.PartialFiles
	w.UnverifiedFiles += o.UnverifiedFiles
	w.RecycledFiles += o.RecycledFiles
	w.VerifiedBytes = plus(w.VerifiedBytes, o.VerifiedBytes)
	w.VerifiedCachedBytes = plus(w.VerifiedCachedBytes, o.VerifiedCachedBytes)
	w.CorruptBlocks = plus(w.CorruptBlocks, o.CorruptBlocks)
}

// finish sets what is computed from a whole: time, rate and percentiles.
func (w *Writes) finish(writing window, latencies func(phase) Latency) {
	w.WritingNano = writing.length()
	w.BytesPerSecond = perSecond(w.Bytes, w.WritingNano)
	w.setLatencies(latencies)
}

func (t *HeartbeatTotals) add(o *HeartbeatTotals) {
	t.Rounds += o.Rounds
	t.Answered += o.Answered
	t.Late += o.Late
	t.Missed += o.Missed
	t.Stalled += o.Stalled
}

// build returns the session in its final form.
//
// paused says whether the supervisor was paused between two moments.
func (s *sessionState) build(label string, paused func(from, to Stamp) bool) Client {
	c := s.client
	c.Label = label
	c.ClockSteps, c.ClockComplaint = s.clock.moved(c.ClockOffsetNano), s.clock.complaint
	c.ClockReadings = s.clock.readings
	c.Labels = maps.Clone(s.client.Labels)
	c.Workload = s.client.Workload.copied()
	c.MalformedWhy = countsOf(&s.malformed)
	if len(s.shortened.order) > 0 {
		c.Shortened = countsOf(&s.shortened)
	}
	c.Connections, c.ConnectionsLeftOut = judged(s.connections.list(), &c, paused), s.connections.leftOut
	c.RolloversLeftOut = s.rollovers.leftOut
	c.RuntimeNano = between(c.StartedAt, cmp.Or(c.StoppedAt, c.LastMessageAt))
	c.Corruptions, c.CorruptionsLeftOut = s.corruptionList(), s.corruptions.leftOut
	c.Writes.finish(s.window, func(of phase) Latency { return s.latencies[of].latency() })

	listed := make(map[*processState][]Rollover)
	for _, item := range s.rollovers.list() {
		listed[item.process] = append(listed[item.process], item.rollover)
	}
	c.Processes = make([]Process, 0, s.count)
	for _, p := range s.sortedProcesses() {
		c.Processes = append(c.Processes, p.build(&c, listed[p]))
	}
	c.Contradictions = s.contradictionsOf(&c)
	c.MessageGaps, c.MessageGapsLeftOut = slices.Clone(s.gaps.items), s.gaps.leftOut
	return c
}

func (s *sessionState) sortedProcesses() []*processState {
	keys := slices.SortedFunc(maps.Keys(s.processes), processKey.compare)
	list := make([]*processState, 0, s.count)
	for _, key := range keys {
		list = append(list, s.processes[key]...)
	}
	return list
}

// build returns the process of client c in its final form. listed are its
// rollovers among those the client keeps.
func (p *processState) build(c *Client, listed []Rollover) Process {
	out := p.public
	if exit := copyOf(p.public.Exit); exit != nil {
		out.Exit = exit
		out.StartedAt = cmp.Or(out.StartedAt, exit.StartedAt)
		out.EndedAt = exit.EndedAt
	}
	last := p.lastAt
	if out.Kind == KindClient {
		out.EndedAt, last = c.StoppedAt, c.LastMessageAt
	}
	out.RuntimeNano = between(out.StartedAt, cmp.Or(out.EndedAt, last))
	out.Heartbeats = p.heartbeats.sum()
	out.Usage = p.usage.summary()
	if !p.isConsumer() {
		return out
	}
	if since := p.failing.toTheEnd(); since != 0 {
		out.FailingSince, out.FailingNano = since, between(since, p.failing.until)
	}
	if spec := p.public.Consumer; spec != nil {
		own := spec.copied()
		out.Consumer = &own
	}
	writes := p.writes
	writes.finish(p.window, func(of phase) Latency { return p.latencies[of].latency() })
	out.Writes = &writes

	rollovers := p.rollovers
	rollovers.Create, rollovers.Write = p.create.latency(), p.write.latency()
	rollovers.Sync, rollovers.Close = p.sync.latency(), p.closed.latency()
	rollovers.List = append([]Rollover{}, listed...)
	rollovers.LeftOut = rollovers.Files - uint64(len(listed))
	out.Rollovers = &rollovers
	return out
}

// copyOf returns a copy of what p points to, or nil.
func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
