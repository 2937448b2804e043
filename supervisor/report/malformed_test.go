package report

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Each message here is left out whole and counted, and costs its client nothing
// else.
func TestMalformedMessagesAreLeftOut(t *testing.T) {
	tests := []struct {
		name  string
		why   string
		spoil func(a *actor) *bulkheadv1.Message
	}{
		{"no fact", badFact, func(a *actor) *bulkheadv1.Message { return &bulkheadv1.Message{Process: a.process(kindConsumer, 0)} }},
		{"no time", badTime, func(a *actor) *bulkheadv1.Message { return timed(a.progress(0, 1, 0, ""), -1) }},
		{"time in the far future", badTime, func(a *actor) *bulkheadv1.Message { return timed(a.progress(0, 1, 0, ""), math.MaxInt64) }},
		{"interval before time began", badNumber, func(a *actor) *bulkheadv1.Message { return timed(a.progress(0, 1, 0, ""), 5) }},
		{"negative interval", badNumber, progress(func(p *bulkheadv1.Progress) { p.IntervalNano = -1 })},
		{"endless interval", badNumber, progress(func(p *bulkheadv1.Progress) { p.IntervalNano = math.MaxInt64 })},
		{"absurd bytes", badNumber, progress(func(p *bulkheadv1.Progress) { p.Bytes = math.MaxUint64 })},
		{"absurd errors", badNumber, progress(func(p *bulkheadv1.Progress) { p.Errors = 1 << 61 })},
		{"uneven histogram", badHistogram, progress(func(p *bulkheadv1.Progress) { p.ChunkWrite.Count = nil })},
		{"histogram counts overflow", badHistogram, progress(func(p *bulkheadv1.Progress) {
			p.ChunkWrite.Count[0] = math.MaxUint64
		})},
		{"absurd histogram count", badHistogram, progress(func(p *bulkheadv1.Progress) {
			p.ChunkWrite = &bulkheadv1.Histogram{ValueDelta: []uint64{0}, Count: []uint64{1 << 62}}
		})},
		{"absurd verified bytes", badNumber, progress(func(p *bulkheadv1.Progress) { p.VerifiedBytes = 1 << 61 })},
		{"absurd corrupt blocks", badNumber, progress(func(p *bulkheadv1.Progress) { p.CorruptBlocks = 1 << 61 })},
		{"more from the cache than verified", badNumber, progress(func(p *bulkheadv1.Progress) { p.VerifiedCachedBytes = 1 })},
		{"uneven sync histogram", badHistogram, progress(func(p *bulkheadv1.Progress) { p.Sync = &bulkheadv1.Histogram{ValueDelta: []uint64{3}} })},
		{"uneven response histogram", badHistogram, progress(func(p *bulkheadv1.Progress) { p.Response = &bulkheadv1.Histogram{Count: []uint64{3}} })},
		{"corruption nowhere", badNumber, func(a *actor) *bulkheadv1.Message {
			return a.corruption(0, &bulkheadv1.Corruption{OffsetBytes: math.MaxUint64})
		}},
		{"corruption of a monitor", badProcess, func(a *actor) *bulkheadv1.Message {
			m := a.corruption(0, &bulkheadv1.Corruption{})
			m.Process = a.process(kindMonitor, 0)
			return m
		}},
		{"progress of a monitor", badProcess, func(a *actor) *bulkheadv1.Message {
			m := a.progress(0, 1, 0, "")
			m.Process = a.process(kindMonitor, 0)
			return m
		}},
		{"no process", badProcess, func(a *actor) *bulkheadv1.Message {
			m := a.sample(0, 1)
			m.Process = nil
			return m
		}},
		{"negative pid", badNumber, func(a *actor) *bulkheadv1.Message {
			m := a.sample(0, 1)
			m.Process.Pid = -7
			return m
		}},
		{"negative rollover", badNumber, rollover(func(r *bulkheadv1.Rollover) { r.SyncNano = -1 })},
		{"huge rollover", badNumber, rollover(func(r *bulkheadv1.Rollover) { r.SizeBytes = math.MaxUint64 })},
		{"rollover before 1970", badTime, rollover(func(r *bulkheadv1.Rollover) { r.FirstWriteUnixNano = -1 })},
		{"negative cpu", badNumber, sample(func(m *bulkheadv1.Monitor) { m.UserCpuNano = math.MinInt64 })},
		{"huge memory", badNumber, sample(func(m *bulkheadv1.Monitor) { m.ResidentBytes = math.MaxUint64 })},
		{"round again", badRound, beat(func(h *bulkheadv1.Heartbeat) { h.Round = 1 })},
		{"round 0", badRound, beat(func(h *bulkheadv1.Heartbeat) { h.Round = 0 })},
		{"negative latency", badNumber, beat(func(h *bulkheadv1.Heartbeat) { h.Answers[0].LatencyNano = -1 })},
		{"negative timeout", badNumber, beat(func(h *bulkheadv1.Heartbeat) { h.TimeoutNano = -1 })},
		{"round before 1970", badTime, beat(func(h *bulkheadv1.Heartbeat) { h.StartedUnixNano = -1 })},
		{"answers twice", badAnswer, beat(func(h *bulkheadv1.Heartbeat) { h.Answers[1] = h.Answers[0] })},
		{"answers and is missed", badAnswer, beat(func(h *bulkheadv1.Heartbeat) {
			h.Misses = append(h.Misses, &bulkheadv1.HeartbeatMiss{Process: h.Answers[0].Process})
		})},
		{"crowded round", badCrowd, beat(func(h *bulkheadv1.Heartbeat) { h.Misses = make([]*bulkheadv1.HeartbeatMiss, maxProcesses) })},
		{"exit of no class", badExit, exit(func(e *bulkheadv1.ProcessExit) { e.Class = 0 })},
		{"exit before 1970", badExit, exit(func(e *bulkheadv1.ProcessExit) { e.EndedUnixNano = -1 })},
		{"exit with absurd memory", badExit, exit(func(e *bulkheadv1.ProcessExit) { e.MaxResidentBytes = math.MaxUint64 })},
		{"exit of nobody", badProcess, exit(func(e *bulkheadv1.ProcessExit) { e.Process = nil })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			with, without := newStory(t, 1), newStory(t, 1)
			for _, s := range []*story{with, without} {
				a := s.at(time.Second).arrive("a", 1, 1, 4001, 0)
				a.start()
				a.say(a.heartbeat(1), a.progress(0, 9, 0, ""), a.rollover(0, 0, false), a.sample(0, 1), a.sample(1, 1))
				if s == with {
					a.say(test.spoil(a))
				}
			}
			rep := foldAll(t, with.records)
			wantLeftOut(t, rep, test.why)
			got, want := rep.Clients[0], foldAll(t, without.records).Clients[0]
			if diff := cmp.Diff([]Count{{test.why, 1}}, got.MalformedWhy); got.Malformed != 1 || diff != "" {
				t.Errorf("malformed %d (-want +got):\n%s", got.Malformed, diff)
			}
			got.Malformed, got.MalformedWhy, got.MalformedFirst = 0, want.MalformedWhy, ""
			got.LastSeq, got.Batches = want.LastSeq, want.Batches
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the message left a trace (-without +with):\n%s", diff)
			}
		})
	}
}

// wantLeftOut checks that the last message that client a said is a reason for partial, and a
// finding that names it.
func wantLeftOut(t *testing.T, rep *Report, why string) {
	t.Helper()
	if want := "client a: 1 message left out: " + why; !slices.Contains(rep.Verdict.Reasons, want) || rep.Verdict.Word != WordPartial {
		t.Errorf("%s for %q; want %q", rep.Verdict.Word, rep.Verdict.Reasons, want)
	}
	for _, f := range rep.Findings {
		if f.Kind == FindingLeftOut {
			if f.Client != "a" || !strings.HasPrefix(f.Evidence, "message ") || !strings.HasSuffix(f.Evidence, ": "+why) {
				t.Errorf("the finding is %+v", f)
			}
			return
		}
	}
	t.Errorf("no finding says it: %+v", rep.Findings)
}

func timed(m *bulkheadv1.Message, at int64) *bulkheadv1.Message {
	m.TimeUnixNano = at
	return m
}

func progress(spoil func(*bulkheadv1.Progress)) func(*actor) *bulkheadv1.Message {
	return func(a *actor) *bulkheadv1.Message {
		m := a.progress(0, 100, 0, "")
		spoil(m.GetProgress())
		return m
	}
}

func rollover(spoil func(*bulkheadv1.Rollover)) func(*actor) *bulkheadv1.Message {
	return func(a *actor) *bulkheadv1.Message {
		m := a.rollover(0, 1, false)
		spoil(m.GetRollover())
		return m
	}
}

func sample(spoil func(*bulkheadv1.Monitor)) func(*actor) *bulkheadv1.Message {
	return func(a *actor) *bulkheadv1.Message {
		m := a.sample(0, 2)
		spoil(m.GetMonitor())
		return m
	}
}

func beat(spoil func(*bulkheadv1.Heartbeat)) func(*actor) *bulkheadv1.Message {
	return func(a *actor) *bulkheadv1.Message {
		m := a.heartbeat(2)
		spoil(m.GetHeartbeat())
		return m
	}
}

func exit(spoil func(*bulkheadv1.ProcessExit)) func(*actor) *bulkheadv1.Message {
	return func(a *actor) *bulkheadv1.Message {
		m := a.stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil)
		spoil(m.GetStop().GetExits()[1])
		return m
	}
}

func TestMalformedBatches(t *testing.T) {
	s := newStory(t, 1)
	a := s.arrive("a", 1, 1, 4001, 0)
	a.say(a.progress(0, 5, 0, ""))
	a.sayBytes(2, 4, []byte{0xff})
	a.sayBytes(5, 5, nil) // decodes, to nothing
	good := s.records[len(s.records)-3].GetSessionBatch().GetBatch()
	a.sayBytes(6, 6, good) // holds message 1
	a.say(a.stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
	a.say(a.progress(0, 5, 0, ""))
	c := foldAll(t, s.records).Clients[0]
	want := []Count{{badBatch, 3}, {badSequence, 2}, {badLate, 1}}
	if diff := cmp.Diff(want, c.MalformedWhy); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.Messages != 2 || c.Malformed != 6 || c.LastSeq != 8 || c.Chunks != 5 {
		t.Errorf("%d messages, %d malformed, last %d, %d chunks; want 2, 6, 8, 5", c.Messages, c.Malformed, c.LastSeq, c.Chunks)
	}
}

// Whatever a client calls things, the text has no control characters and the
// tables hold together.
func TestHostileTextsAreHarmless(t *testing.T) {
	evil := "\x1b[2J\x1b]0;owned\a\u202egnp\u009b31m\r\nfake: COMPLETE\xff\t" + strings.Repeat("A", 100_000)
	s := newStory(t, 1)
	a := s.arrive(evil, 1, 1, 4001, 0)
	hello := s.records[1].GetSessionOpened().GetHello()
	hello.Host, hello.ClientVersion, hello.Labels = evil, evil, map[string]string{evil: evil}
	m := a.progress(0, 1, 1, "")
	m.GetProgress().LastError = strings.ToValidUTF8(evil, "?")
	r := a.rollover(0, 0, false)
	r.GetRollover().Path = strings.ToValidUTF8(evil, "?")
	a.say(m, r)
	a.detach(1, evil)
	a.end(bulkheadv1.Outcome_OUTCOME_LOST, evil)
	s.rejected(9, 4009, evil, evil, evil)
	s.ended(bulkheadv1.RunEnd_RUN_END_FAILED, evil)
	text, json := render(t, foldAll(t, s.records))
	checkPrintable(t, text)
	if len(text) > 20_000 || len(json) > 30_000 {
		t.Errorf("text of %d bytes, JSON of %d: the texts were not cut", len(text), len(json))
	}
}
