package report

import (
	"cmp"
	"maps"
	"slices"

	"bulkhead/internal/latency"
)

// Report returns what the records folded so far amount to. It shares nothing with
// the Folder, which may go on.
func (f *Folder) Report() *Report {
	r := &Report{
		Schema:            Schema,
		Run:               f.run,
		Clients:           make([]Client, 0, len(f.order)),
		HandlersLeftOut:   f.handlers.leftOut,
		Rejections:        f.rejections.list(),
		RejectionsLeftOut: f.rejections.leftOut,
		Journal: Journal{
			Records:           f.records,
			Violations:        append([]string{}, f.violations.order...),
			ViolationsLeftOut: f.violations.leftOut,
			Damage:            copyOf(f.damage),
		},
	}
	if f.run.End == "" {
		r.Run.LengthNano = between(f.run.StartedAt, f.last)
	}
	ids := make(map[string]bool)
	labels := f.labels()
	for _, s := range f.order {
		ids[s.clientID] = true
		r.Clients = append(r.Clients, s.build(labels[s.client.Session]))
	}
	r.Run.JoinedClients = uint32(len(ids))
	r.Handlers = f.buildHandlers(labels)
	r.Totals = f.totals(r.Clients)
	r.Verdict = f.verdict(r)
	return r
}

// labels returns a name for each session that no other session has.
func (f *Folder) labels() map[uint32]string {
	named := make(map[string]int)
	for _, s := range f.order {
		named[s.client.Name]++
	}
	labels := make(map[uint32]string, len(f.order))
	for _, s := range f.order {
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
// client whose clock makes no sense cannot stretch it beyond that.
func (f *Folder) totals(clients []Client) Totals {
	var t Totals
	var union latency.Histogram
	var writing window
	run := window{f.run.StartedAt, f.last}
	for i, s := range f.order {
		c := &clients[i]
		t.Writes.add(&c.Writes)
		t.Heartbeats.add(&c.Heartbeats)
		t.Messages += c.Messages
		t.Malformed += c.Malformed
		t.Resumes += c.Resumes
		union.Merge(&s.chunkWrite)
		if s.window != (window{}) {
			w := s.window.moved(c.ClockOffsetNano).within(run)
			writing.cover(w.from, w.to)
		}
	}
	t.Writes.finish(writing, latencyOf(&union))
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
}

// finish sets what is computed from a whole: time, rate and percentiles.
func (w *Writes) finish(writing window, l Latency) {
	w.WritingNano = writing.length()
	w.BytesPerSecond = perSecond(w.Bytes, w.WritingNano)
	w.ChunkWrite = l
}

func (t *HeartbeatTotals) add(o *HeartbeatTotals) {
	t.Rounds += o.Rounds
	t.Answered += o.Answered
	t.Late += o.Late
	t.Missed += o.Missed
	t.Stalled += o.Stalled
}

// build returns the session in its final form.
func (s *sessionState) build(label string) Client {
	c := s.client
	c.Label = label
	c.Labels = maps.Clone(s.client.Labels)
	c.Workload.Consumers = slices.Clone(s.client.Workload.Consumers)
	c.MalformedWhy = countsOf(&s.malformed)
	c.Connections, c.ConnectionsLeftOut = s.connections.list(), s.connections.leftOut
	c.RolloversLeftOut = s.rollovers.leftOut
	c.RuntimeNano = between(c.StartedAt, cmp.Or(c.StoppedAt, c.LastMessageAt))
	c.Writes.finish(s.window, latencyOf(&s.chunkWrite))

	listed := make(map[*processState][]Rollover)
	for _, item := range s.rollovers.list() {
		listed[item.process] = append(listed[item.process], item.rollover)
	}
	c.Processes = make([]Process, 0, s.count)
	for _, p := range s.sortedProcesses() {
		c.Processes = append(c.Processes, p.build(&c, listed[p]))
	}
	return c
}

func (s *sessionState) sortedProcesses() []*processState {
	keys := slices.SortedFunc(maps.Keys(s.processes), func(a, b processKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.index, b.index))
	})
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
	out.Consumer = copyOf(p.public.Consumer)
	writes := p.writes
	writes.finish(p.window, p.chunkWrite.latency())
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
