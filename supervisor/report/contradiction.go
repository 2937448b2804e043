package report

import (
	"fmt"
	"slices"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// What of a client's messages cannot be true together. Nothing is corrected: the figures
// are made of what was said.
const (
	unlikeChunks    = "Progress: chunks are not as many as their latencies"
	unlikeBytes     = "Progress: more bytes than the chunks can hold"
	unlikeFiles     = "Rollover: the files of a consumer hold more than it wrote"
	unlikeFile      = "Rollover: a file holds more than its chunks can"
	backwards       = "Progress: an interval ends before the one before it"
	strangeConsumer = "a consumer that the workload does not have"
	afterStop       = "messages after Stop"
	exitMissing     = "Stop: no exit of a worker that had started"
	exitStrange     = "Stop: the exit in order of a worker that was never heard of"
	exitBefore      = "Stop: a worker ended before it had started"
	beatStrange     = "Heartbeat: an answer of a worker that never started"
	earlyStop       = "Stop: the runtime is over, but it had not passed"
	windowBroken    = "more batches on their way than max_unacked_batches"

	twoProcesses = "two processes with one client id"
	otherContent = "a message sent again with other content"
	pastGoodbye  = "messages after Goodbye"
)

// runtimeSlack is how much shorter than the runtime a load that says to have reached it may
// be, as a share: its first message may come when it has begun to write.
const runtimeSlack = 0.05

// Contradiction is one kind of thing that a client said which cannot be.
type Contradiction struct {
	// What is one of the constants of this package, Example the first in detail.
	What    string `json:"what"`
	Count   uint64 `json:"count"`
	Example string `json:"example"`
	// Partial says that something is missing in the report for it.
	Partial bool `json:"partial"`
}

// contradictions are a client's, in order of the first of each; their kinds are few.
type contradictions []Contradiction

// add counts n of a kind. example is asked for the first alone.
func (c *contradictions) add(what string, n uint64, partial bool, example func() string) {
	for i := range *c {
		if (*c)[i].What == what {
			(*c)[i].Count = plus((*c)[i].Count, n)
			return
		}
	}
	*c = append(*c, Contradiction{what, n, clean(example(), maxText), partial})
}

// progress looks at one interval of a consumer, which ended at a moment.
func (s *sessionState) contradictProgress(p *processState, m *bulkheadv1.Progress, at Stamp) {
	if h := m.GetChunkWrite(); len(h.GetCount()) > 0 {
		var n uint64
		for _, c := range h.GetCount() {
			n = plus(n, c)
		}
		if n != m.GetChunks() {
			s.said.add(unlikeChunks, 1, false, func() string {
				return fmt.Sprintf("consumer %d: %s, %s", p.key.index, plural(m.GetChunks(), "chunk"), plural(n, "latency value"))
			})
		}
	}
	if at < p.progressed {
		s.said.add(backwards, 1, false, func() string {
			return fmt.Sprintf("consumer %d: by %s", p.key.index, human(int64(p.progressed-at)))
		})
	}
	p.progressed = max(p.progressed, at)
}

// contradictRollover looks at one finished file.
func (s *sessionState) contradictRollover(p *processState, r *Rollover) {
	if r.ChunkSizeBytes > 0 && r.Chunks > 0 && r.SizeBytes/r.ChunkSizeBytes > r.Chunks {
		s.said.add(unlikeFile, 1, false, func() string {
			return fmt.Sprintf("consumer %d, file %d: %s in %s of %s", p.key.index, r.FileIndex, size(r.SizeBytes), plural(r.Chunks, "chunk"), size(r.ChunkSizeBytes))
		})
	}
}

// contradictRecord takes what the supervisor has noticed.
func (s *sessionState) contradictRecord(e *bulkheadv1.Contradiction) {
	what := twoProcesses
	switch e.GetKind() {
	case bulkheadv1.ContradictionKind_CONTRADICTION_KIND_RESENT_DIFFERS:
		what = otherContent
	case bulkheadv1.ContradictionKind_CONTRADICTION_KIND_AFTER_GOODBYE:
		what = pastGoodbye
	}
	s.said.add(what, 1, true, func() string {
		from := "from " + e.GetPeer()
		if e.GetHost() != "" {
			from += fmt.Sprintf(", host %s, pid %d", e.GetHost(), e.GetPid())
		}
		return fmt.Sprintf("%s (%s)", e.GetText(), from)
	})
}

// contradictionsOf is what of a client cannot be, now that all of it is known that will be.
func (s *sessionState) contradictionsOf(c *Client) []Contradiction {
	all := slices.Clone(s.said)
	if n := s.malformed.counts[badLate]; n > 0 {
		all.add(afterStop, n, false, func() string { return "they are left out" }) // which makes the run partial
	}
	for i := range c.Processes {
		p := &c.Processes[i]
		contradictProcess(&all, c, p)
	}
	planned := c.Workload.RuntimeNano
	if c.StopReason == "runtime" && planned > 0 && c.StartedAt != 0 && float64(c.RuntimeNano) < float64(planned)*(1-runtimeSlack) {
		all.add(earlyStop, 1, false, func() string { return fmt.Sprintf("%s of %s", human(c.RuntimeNano), human(planned)) })
	}
	return all
}

// contradictProcess looks at what is known of one process of a client.
func contradictProcess(all *contradictions, c *Client, p *Process) {
	worker, name, whole := p.Kind != KindClient, processName(p), !c.beginningMissing()
	named := func() string { return name }
	if p.Kind == KindConsumer && len(c.Workload.Consumers) > 0 && len(c.Workload.Consumers) < maxProcesses &&
		!slices.ContainsFunc(c.Workload.Consumers, func(w Consumer) bool { return w.Index == p.Index }) {
		all.add(strangeConsumer, 1, false, named)
	}
	if worker && c.StopReason != "" && p.StartedAt != 0 && p.Exit == nil {
		all.add(exitMissing, 1, false, named)
	}
	silent := p.Heartbeats == nil && p.Usage == nil && (p.Rollovers == nil || p.Rollovers.Files == 0) &&
		(p.Writes == nil || p.Writes.Chunks == 0 && p.Writes.Errors == 0)
	if whole && worker && p.Exit != nil && p.Exit.Class == ExitClean && p.StartedAt == 0 && p.Exit.StartedAt == 0 && silent {
		all.add(exitStrange, 1, false, named)
	}
	if e := p.Exit; e != nil && e.StartedAt != 0 && e.EndedAt != 0 && e.EndedAt < e.StartedAt {
		all.add(exitBefore, 1, false, func() string { return fmt.Sprintf("%s: by %s", name, human(int64(e.StartedAt-e.EndedAt))) })
	}
	if h := p.Heartbeats; whole && worker && c.StopReason != "" && h != nil && h.Answered+h.Late > 0 && p.StartedAt == 0 && p.Exit == nil {
		all.add(beatStrange, h.Answered+h.Late, false, named)
	}
	if p.Kind != KindConsumer || p.Writes == nil {
		return
	}
	if largest := largestChunk(c, p); largest > 0 && p.Writes.Bytes/largest > plus(p.Writes.Chunks, p.Writes.Errors) {
		all.add(unlikeBytes, 1, false, func() string {
			return fmt.Sprintf("%s: %s in %s of at most %s", name, size(p.Writes.Bytes), plural(p.Writes.Chunks, "chunk"), size(largest))
		})
	}
	if f := p.Rollovers; whole && f != nil && c.StopReason != "" && f.Bytes > p.Writes.Bytes {
		all.add(unlikeFiles, 1, false, func() string {
			return fmt.Sprintf("%s: %s in files, %s written", name, size(f.Bytes), size(p.Writes.Bytes))
		})
	}
}

// largestChunk is the largest chunk that a consumer writes; 0 if it is not known.
func largestChunk(c *Client, p *Process) uint64 {
	if p.Consumer != nil {
		return p.Consumer.ChunkSizeBytes
	}
	for i := range c.Workload.Consumers {
		if c.Workload.Consumers[i].Index == p.Index {
			return c.Workload.Consumers[i].ChunkSizeBytes
		}
	}
	return 0
}

// contradicting are the findings about clients of which not all that they say can be true.
func contradicting(r *Report) []Finding {
	var list []Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		for _, d := range c.Contradictions {
			f := about(c, FindingContradiction)
			f.Text = fmt.Sprintf("client %s contradicts itself: %s%s", c.Label, d.What, times(d.Count))
			if d.Partial {
				f.Text = fmt.Sprintf("client %s: %s%s", c.Label, d.What, times(d.Count))
			}
			f.Evidence, f.Threshold = d.Example, "once"
			list = append(list, f)
		}
	}
	return list
}

// judgeContradictions says what is missing for what a client, or another in its name, said.
func (v *Verdict) judgeContradictions(c *Client) {
	for _, d := range c.Contradictions {
		if d.Partial {
			v.partial("client %s: %s%s, and what was sent then is not in this report: %s", c.Label, d.What, times(d.Count), d.Example)
		}
	}
	switch b := c.Begun; {
	case c.beginningMissing():
		v.partial("client %s: it goes on here with a session of run %s; its first messages, up to %s of that session, are there, and not in this run", c.Label, b.Run, count(b.After))
	case b != nil:
		v.warn("client %s: it was in run %s before, which has no message of it; all of them are here", c.Label, b.Run)
	}
}

// Begun is where a session's messages were numbered before, in a run that is over or that
// its supervisor does not know. After is the last that is there, 0 for none: then all of
// the client's messages are here.
type Begun struct {
	Run   string `json:"run"`
	After uint64 `json:"after"`
	// Before is how many messages the client said before this session, in all sessions,
	// if it said so.
	Before uint64 `json:"before,omitempty"`
}

// beginningMissing says that the first of a client's messages are in another run.
func (c *Client) beginningMissing() bool { return c.Begun != nil && c.Begun.After|c.Begun.Before > 0 }

func begunOf(c *bulkheadv1.Continuation) *Begun {
	if c == nil {
		return nil
	}
	return &Begun{clean(c.GetRunId(), maxName), c.GetAfter(), c.GetBefore()}
}
