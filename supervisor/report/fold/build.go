package fold

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"bulkhead/internal/latency"
	"bulkhead/internal/plaintext"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/words"
)

// FromJournal builds the report from the journal in dir alone. It changes nothing
// there, and works while the journal is being written.
//
// What is wrong with the journal makes the report partial and is stated in it: a
// torn tail, damage further up (nothing behind it is in the report), and records
// out of order. FromJournal returns an error only when it has nothing to report
// from: it wraps journal.ErrNoJournal, journal.ErrVersion or what the system said.
func FromJournal(dir string) (*report.Report, error) {
	f := NewFolder()
	sum, err := journal.ReplayShort(dir, journal.Mark{}, f.Shorten, func(r *bulkheadv1.Record, _ journal.Mark) error {
		// The Folder remembers what it could not use, and states it.
		_ = f.Add(r)
		return nil
	})
	var corrupt *journal.CorruptError
	switch {
	case errors.As(err, &corrupt):
		f.damage = &report.Damage{
			Segment:     plaintext.Line(corrupt.Segment, plaintext.MaxName),
			OffsetBytes: corrupt.Offset,
			Why:         plaintext.Line(corrupt.Why, plaintext.MaxText),
		}
	case err != nil:
		return nil, fmt.Errorf("building the report: %w", err)
	}
	if t := sum.Torn; t != nil {
		f.damage = &report.Damage{
			Segment:     plaintext.Line(t.Segment, plaintext.MaxName),
			OffsetBytes: t.Offset,
			Torn:        true,
			TornBytes:   t.Bytes,

			MayBeAcknowledged: t.Damaged,
			Why:               plaintext.Line(t.Why, plaintext.MaxText),
		}
	}
	return f.Report(), nil
}

// Report returns what the records folded so far amount to. It shares nothing with
// the Folder, which may continue.
func (f *Folder) Report() *report.Report { return f.report(false) }

// SoFar returns what Report does, of a run that is known to continue.
func (f *Folder) SoFar() *report.Report { return f.report(true) }

func (f *Folder) report(running bool) *report.Report {
	for _, s := range f.order {
		s.tighten() // others may have come since its last message
	}
	f.cutDeclared()
	r := &report.Report{
		Schema:            report.Schema,
		Run:               f.run,
		Clients:           make([]report.Client, 0, len(f.order)),
		HandlersLeftOut:   f.handlers.leftOut,
		RejectionGroups:   f.rejectionGroups.list(),
		Rejections:        f.rejections.list(),
		RejectionsLeftOut: f.rejections.leftOut,
		Journal: report.Journal{
			Records:           f.records,
			Violations:        append([]string{}, f.violations.Order...),
			ViolationsLeftOut: f.violations.LeftOut,
			Damage:            copyOf(f.damage),
		},
	}
	r.Run.Restarts, r.Run.RestartsLeftOut = f.restarts.list(), f.restarts.leftOut
	r.Run.ClockSteps, r.Run.Reboots = f.clock.moved(0), append([]report.Stamp(nil), f.reboots...)
	r.Run.Pauses, r.Run.PausesLeftOut = slices.Clone(f.pauses.items), f.pauses.leftOut
	f.addSupervisors(&r.Run)
	r.Run.Assertions = slices.Clone(f.run.Assertions)
	r.Run.Shed = append([]report.Shed{}, f.shed...)
	r.Run.DrainedAt, r.Run.DrainCause, r.Run.DrainReason = f.drainAt, f.drainCause, f.drainWhy
	if f.run.End == "" {
		r.Run.LengthNano = report.Between(f.run.StartedAt, f.last)
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
		f.gathering(s, &c)
		r.Clients = append(r.Clients, c)
	}
	attend(r, ids)
	r.Handlers = f.buildHandlers(labels)
	var union [report.PhaseCount]latency.Histogram
	r.Totals = f.totals(r.Clients, &union)
	r.Series = f.series(r, &union)
	r.CommonWindow = f.commonWindow(r, running && f.run.End == "")
	if w := r.CommonWindow; w.Told() {
		w.Text, w.RateText = words.CommonWindow(r), words.WindowRate(w)
	}
	f.stageReport(r, running && f.run.End == "")
	if r.Run.Job = copyOf(f.run.Job); r.Run.Job != nil {
		r.Run.Job.Text = words.Job(r.Run.Job)
	}
	r.Run.FleetRate = f.fleetRate(r)
	if r.Run.Gather = copyOf(f.run.Gather); r.Run.Gather != nil {
		r.Run.Gather.Text = words.Gather(r)
	}
	r.Findings = judge.Findings(r)
	r.Verdict = judge.Verdict(r, &f.refused, running)
	judge.Assert(r)
	r.Verdict.Headline = words.Headline(r)
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

func (f *Folder) buildHandlers(labels map[uint32]string) []report.Handler {
	list := make([]report.Handler, 0, len(f.handlers.items))
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
func (f *Folder) totals(clients []report.Client, union *[report.PhaseCount]latency.Histogram) report.Totals {
	var t report.Totals
	var writing window
	var staged []window // with those of the clients whose load has stages
	stages := len(f.stages.list) > 0
	for of := range union {
		union[of].Merge(&f.rooms.union[of])
	}
	var late uint64 // bytes of clients that were delivered later, out of the run's time
	run := window{f.run.StartedAt, f.last}
	for i, s := range f.order {
		c := &clients[i]
		t.Writes.Add(&c.Writes)
		t.Heartbeats.Add(&c.Heartbeats)
		t.Messages += c.Messages
		t.Malformed += c.Malformed
		t.UnknownFacts += c.UnknownFacts
		t.Resumes += c.Resumes
		t.KeptThroughRestarts += c.KeptThroughRestarts
		for of := range union {
			union[of].Merge(&s.latencies[of].fine)
		}
		if c.Resent {
			late = report.Plus(late, c.Bytes)
			continue
		}
		if s.window != (window{}) {
			w := s.window.moved(c.ClockOffsetNano).within(run)
			writing.cover(w.from, w.to)
			if stages {
				for _, w := range s.reported(s.window) {
					staged = append(staged, w.moved(c.ClockOffsetNano).within(run))
				}
			}
		}
	}
	length := writing.length()
	if stages {
		length = together(staged)
	}
	finish(&t.Writes, length, func(of report.Phase) report.Latency { return latencyOf(&union[of]) })
	t.BytesPerSecond = report.PerSecond(t.Bytes-min(late, t.Bytes), t.WritingNano)
	return t
}

// finish sets what is computed from a whole: time, rate and percentiles.
func finish(w *report.Writes, writing int64, latencies func(report.Phase) report.Latency) {
	w.WritingNano, w.WarmUp = writing, copyOf(w.WarmUp)
	if w.Reads = copyOf(w.Reads); w.Reads != nil {
		w.Reads.BytesPerSecond = report.PerSecond(w.Reads.Bytes, w.WritingNano)
	}
	w.BytesPerSecond = report.PerSecond(w.Bytes, w.WritingNano)
	w.SetLatencies(latencies)
}

// build returns the session in its final form.
//
// paused reports whether the supervisor was paused between two moments.
func (s *sessionState) build(label string, paused func(from, to report.Stamp) bool) report.Client {
	c := s.client
	c.Label = label
	c.ClockSteps, c.ClockComplaint = s.clock.moved(c.ClockOffsetNano), s.clock.complaint
	c.ClockReadings = s.clock.readings
	c.Labels = maps.Clone(s.client.Labels)
	c.Workload = copiedWorkload(&s.client.Workload)
	c.MalformedWhy = leftOutOf(&s.malformed)
	if len(s.shortened.Order) > 0 {
		c.Shortened = countsOf(&s.shortened)
	}
	c.Connections, c.ConnectionsLeftOut = judged(s.connections.list(), &c, paused), s.connections.leftOut
	c.RolloversLeftOut = s.rollovers.leftOut
	c.RuntimeNano = max(report.Between(cmp.Or(s.begun.at, c.StartedAt), cmp.Or(c.StoppedAt, c.LastMessageAt))-
		c.Workload.WarmupNano, 0)
	c.Corruptions, c.CorruptionsLeftOut = s.corruptionList(), s.corruptions.leftOut
	finish(&c.Writes, together(s.reported(s.window)),
		func(of report.Phase) report.Latency { return s.latencies[of].latency() })

	listed := make(map[*processState][]report.Rollover)
	for _, item := range s.rollovers.list() {
		listed[item.process] = append(listed[item.process], item.rollover)
	}
	c.Processes = make([]report.Process, 0, s.count)
	for _, p := range s.sortedProcesses() {
		c.Processes = append(c.Processes, p.build(&c, listed[p], together(s.reported(p.window))))
	}
	c.Contradictions = s.contradictionsOf(&c)
	c.Machine = s.machine.Summary()
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
// rollovers among those the client keeps, and writing is for how long it wrote.
func (p *processState) build(c *report.Client, listed []report.Rollover, writing int64) report.Process {
	out := p.public
	if exit := copyOf(p.public.Exit); exit != nil {
		out.Exit = exit
		out.StartedAt = cmp.Or(out.StartedAt, exit.StartedAt)
		out.EndedAt = exit.EndedAt
	}
	last := p.lastAt
	if out.Kind == report.KindClient {
		out.EndedAt, last = c.StoppedAt, c.LastMessageAt
	}
	out.RuntimeNano = report.Between(out.StartedAt, cmp.Or(out.EndedAt, last))
	out.Heartbeats = p.heartbeats.sum()
	out.Usage = p.usage.summary()
	if !p.isConsumer() {
		return out
	}
	if since := p.failing.toTheEnd(); since != 0 {
		out.FailingSince, out.FailingNano = since, report.Between(since, p.failing.until)
	}
	if spec := p.public.Consumer; spec != nil {
		own := copiedConsumer(spec)
		out.Consumer = &own
	}
	writes := p.writes
	finish(&writes, writing, func(of report.Phase) report.Latency { return p.latencies[of].latency() })
	out.Writes = &writes

	rollovers := p.rollovers
	rollovers.Create, rollovers.Write = p.create.latency(), p.write.latency()
	rollovers.Sync, rollovers.Close = p.sync.latency(), p.closed.latency()
	rollovers.List = append([]report.Rollover{}, listed...)
	rollovers.LeftOut = rollovers.Files - uint64(len(listed))
	out.Rollovers = &rollovers
	return out
}
