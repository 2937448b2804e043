package fold

import (
	"fmt"
	"slices"

	"bulkhead/internal/human"
	"bulkhead/internal/plaintext"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// runtimeSlack is how much shorter than the runtime a load that says to have reached it may
// be, as a share: its first message may come when it has begun to write.
const runtimeSlack = 0.05

// contradictions are a client's, in order of the first of each; their kinds are few.
type contradictions []report.Contradiction

// add counts n of a kind. example is asked for the first alone.
func (c *contradictions) add(kind string, n uint64, partial bool, example func() string) {
	for i := range *c {
		if (*c)[i].Kind == kind {
			(*c)[i].Count = report.Plus((*c)[i].Count, n)
			return
		}
	}
	*c = append(*c, report.Contradiction{Kind: kind, What: words.Contradiction(kind), Count: n,
		Example: plaintext.Line(example(), plaintext.MaxText), Partial: partial})
}

// progress looks at one interval of a consumer, which ended at a moment.
func (s *sessionState) contradictProgress(p *processState, m *bulkheadv1.Progress, at report.Stamp) {
	if h := m.GetChunkWrite(); len(h.GetCount()) > 0 {
		var n uint64
		for _, c := range h.GetCount() {
			n = report.Plus(n, c)
		}
		if n != m.GetChunks() {
			s.said.add(report.UnlikeChunks, 1, false, func() string {
				return fmt.Sprintf("consumer %d: %s, %s", p.key.index, words.Plural(m.GetChunks(), "chunk"),
					words.Plural(n, "latency value"))
			})
		}
	}
	if at < p.progressed {
		s.said.add(report.Backwards, 1, false, func() string {
			return fmt.Sprintf("consumer %d: by %s", p.key.index, human.Duration(int64(p.progressed-at)))
		})
	}
	p.progressed = max(p.progressed, at)
}

// contradictRollover looks at one finished file.
func (s *sessionState) contradictRollover(p *processState, r *report.Rollover) {
	if r.ChunkSizeBytes > 0 && r.Chunks > 0 && r.SizeBytes/r.ChunkSizeBytes > r.Chunks {
		s.said.add(report.UnlikeFile, 1, false, func() string {
			return fmt.Sprintf("consumer %d, file %d: %s in %s of %s", p.key.index, r.FileIndex,
				human.Size(r.SizeBytes), words.Plural(r.Chunks, "chunk"), human.Size(r.ChunkSizeBytes))
		})
	}
}

// contradictRecord adds a contradiction that the supervisor has noticed.
func (s *sessionState) contradictRecord(e *bulkheadv1.Contradiction) {
	kind := report.TwoProcesses
	switch e.GetKind() {
	case bulkheadv1.ContradictionKind_CONTRADICTION_KIND_RESENT_DIFFERS:
		kind = report.OtherContent
	case bulkheadv1.ContradictionKind_CONTRADICTION_KIND_AFTER_GOODBYE:
		kind = report.PastGoodbye
	}
	s.said.add(kind, 1, true, func() string {
		from := "from " + e.GetPeer()
		if e.GetHost() != "" {
			from += fmt.Sprintf(", host %s, pid %d", e.GetHost(), e.GetPid())
		}
		return fmt.Sprintf("%s (%s)", e.GetText(), from)
	})
}

// contradictionsOf returns what a client said that cannot be true, once all is known of it.
func (s *sessionState) contradictionsOf(c *report.Client) []report.Contradiction {
	all := slices.Clone(s.said)
	if n := s.malformed.Counts[report.BadLate]; n > 0 {
		all.add(report.AfterStop, n, false, func() string { return "they are left out" }) // which makes the run partial
	}
	for i := range c.Processes {
		p := &c.Processes[i]
		contradictProcess(&all, c, p)
	}
	planned := c.Workload.RuntimeNano
	early := slices.ContainsFunc(c.Workload.Stages, func(s report.StageSpec) bool { return s.TotalBytes > 0 })
	if c.StopReason == report.StopRuntime && planned > 0 && !early && c.StartedAt != 0 &&
		float64(c.RuntimeNano) < float64(planned)*(1-runtimeSlack) {
		all.add(report.EarlyStop, 1, false,
			func() string { return fmt.Sprintf("%s of %s", human.Duration(c.RuntimeNano), human.Duration(planned)) })
	}
	return all
}

// contradictProcess looks at what is known of one process of a client.
func contradictProcess(all *contradictions, c *report.Client, p *report.Process) {
	worker, name, whole := p.Kind != report.KindClient, words.ProcessName(p), !c.BeginningMissing()
	named := func() string { return name }
	if p.Kind == report.KindConsumer && len(c.Workload.Consumers) > 0 &&
		len(c.Workload.Consumers) < report.MaxProcesses && c.Workload.ConsumersLeftOut == 0 &&
		!slices.ContainsFunc(c.Workload.Consumers, func(w report.Consumer) bool { return w.Index == p.Index }) {
		all.add(report.StrangeConsumer, 1, false, named)
	}
	if worker && c.StopReason != "" && p.StartedAt != 0 && p.Exit == nil {
		all.add(report.ExitMissing, 1, false, named)
	}
	var bytes, chunks uint64
	if p.Writes != nil {
		bytes, chunks = p.Writes.WithWarmUp()
	}
	silent := p.Heartbeats == nil && p.Usage == nil && (p.Rollovers == nil || p.Rollovers.Files == 0) &&
		(p.Writes == nil || chunks == 0 && p.Writes.Errors == 0)
	if whole && worker && p.Exit != nil && p.Exit.Class == report.ExitClean && p.StartedAt == 0 &&
		p.Exit.StartedAt == 0 && silent {
		all.add(report.ExitStrange, 1, false, named)
	}
	if e := p.Exit; e != nil && e.StartedAt != 0 && e.EndedAt != 0 && e.EndedAt < e.StartedAt {
		all.add(report.ExitBefore, 1, false,
			func() string { return fmt.Sprintf("%s: by %s", name, human.Duration(int64(e.StartedAt-e.EndedAt))) })
	}
	if h := p.Heartbeats; whole && worker && c.StopReason != "" && h != nil && h.Answered+h.Late > 0 &&
		p.StartedAt == 0 && p.Exit == nil {
		all.add(report.BeatStrange, h.Answered+h.Late, false, named)
	}
	if p.Kind != report.KindConsumer || p.Writes == nil {
		return
	}
	if largest := largestChunk(c, p); largest > 0 &&
		bytes/largest > report.Plus(chunks, p.Writes.Errors) {
		all.add(report.UnlikeBytes, 1, false, func() string {
			return fmt.Sprintf("%s: %s in %s of at most %s", name, human.Size(bytes),
				words.Plural(chunks, "chunk"), human.Size(largest))
		})
	}
	// Of one that did not end in order the last Progress is missing.
	orderly := p.Exit != nil && p.Exit.Class == report.ExitClean && c.Malformed == 0
	if f := p.Rollovers; whole && orderly && f != nil && c.StopReason != "" && f.Bytes > bytes {
		all.add(report.UnlikeFiles, 1, false, func() string {
			return fmt.Sprintf("%s: %s in files, %s written", name, human.Size(f.Bytes), human.Size(bytes))
		})
	}
}

// largestChunk returns the largest chunk that a consumer writes; 0 if it is not known.
func largestChunk(c *report.Client, p *report.Process) uint64 {
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

func begunOf(c *bulkheadv1.Continuation) *report.Begun {
	if c == nil {
		return nil
	}
	return &report.Begun{Run: plaintext.Line(c.GetRunId(), plaintext.MaxName), After: c.GetAfter(),
		Before: c.GetBefore()}
}
