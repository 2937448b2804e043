package stories

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// Each message here is left out whole and counted, and costs its client nothing
// else.
func TestMalformedMessagesAreLeftOut(t *testing.T) {
	tests := []struct {
		name  string
		why   report.Bad
		spoil func(a *story.Actor) *bulkheadv1.Message
	}{
		{"no fact", report.BadFact, func(a *story.Actor) *bulkheadv1.Message {
			return &bulkheadv1.Message{Process: a.Process(story.KindConsumer, 0)}
		}},
		{"no time", report.BadTime,
			func(a *story.Actor) *bulkheadv1.Message { return timed(a.Progress(0, 1, 0, ""), -1) }},
		{"time in the far future", report.BadTime,
			func(a *story.Actor) *bulkheadv1.Message { return timed(a.Progress(0, 1, 0, ""), math.MaxInt64) }},
		{"interval before time began", report.BadNumber,
			func(a *story.Actor) *bulkheadv1.Message { return timed(a.Progress(0, 1, 0, ""), 5) }},
		{"negative interval", report.BadNumber, progress(func(p *bulkheadv1.Progress) { p.IntervalNano = -1 })},
		{"endless interval", report.BadNumber,
			progress(func(p *bulkheadv1.Progress) { p.IntervalNano = math.MaxInt64 })},
		{"absurd bytes", report.BadNumber, progress(func(p *bulkheadv1.Progress) { p.Bytes = math.MaxUint64 })},
		{"absurd errors", report.BadNumber, progress(func(p *bulkheadv1.Progress) { p.Errors = 1 << 61 })},
		{"uneven histogram", report.BadHistogram, progress(func(p *bulkheadv1.Progress) { p.ChunkWrite.Count = nil })},
		{"histogram counts overflow", report.BadHistogram, progress(func(p *bulkheadv1.Progress) {
			p.ChunkWrite.Count[0] = math.MaxUint64
		})},
		{"absurd histogram count", report.BadHistogram, progress(func(p *bulkheadv1.Progress) {
			p.ChunkWrite = &bulkheadv1.Histogram{ValueDelta: []uint64{0}, Count: []uint64{1 << 62}}
		})},
		{"absurd verified bytes", report.BadNumber,
			progress(func(p *bulkheadv1.Progress) { p.VerifiedBytes = 1 << 61 })},
		{"absurd corrupt blocks", report.BadNumber,
			progress(func(p *bulkheadv1.Progress) { p.CorruptBlocks = 1 << 61 })},
		{"absurd reads", report.BadNumber, progress(func(p *bulkheadv1.Progress) { p.ReadBytes = 1 << 61 })},
		{"more compared than read", report.BadNumber,
			progress(func(p *bulkheadv1.Progress) { p.ReadBytes, p.ReadVerifiedBytes = 1, 2 })},
		{"more cached than told", report.BadNumber,
			progress(func(p *bulkheadv1.Progress) { p.ReadBytes, p.ReadToldBytes, p.ReadCachedBytes = 9, 1, 2 })},
		{"uneven histogram of reads", report.BadHistogram,
			progress(func(p *bulkheadv1.Progress) { p.Read = &bulkheadv1.Histogram{ValueDelta: []uint64{1}} })},
		{"more from the cache than verified", report.BadNumber,
			progress(func(p *bulkheadv1.Progress) { p.VerifiedCachedBytes = 1 })},
		{"uneven sync histogram", report.BadHistogram,
			progress(func(p *bulkheadv1.Progress) { p.Sync = &bulkheadv1.Histogram{ValueDelta: []uint64{3}} })},
		{"uneven response histogram", report.BadHistogram,
			progress(func(p *bulkheadv1.Progress) { p.Response = &bulkheadv1.Histogram{Count: []uint64{3}} })},
		{"corruption nowhere", report.BadNumber, func(a *story.Actor) *bulkheadv1.Message {
			return a.Corruption(0, &bulkheadv1.Corruption{OffsetBytes: math.MaxUint64})
		}},
		{"corruption of a monitor", report.BadProcess, func(a *story.Actor) *bulkheadv1.Message {
			m := a.Corruption(0, &bulkheadv1.Corruption{})
			m.Process = a.Process(story.KindMonitor, 0)
			return m
		}},
		{"progress of a monitor", report.BadProcess, func(a *story.Actor) *bulkheadv1.Message {
			m := a.Progress(0, 1, 0, "")
			m.Process = a.Process(story.KindMonitor, 0)
			return m
		}},
		{"no process", report.BadProcess, func(a *story.Actor) *bulkheadv1.Message {
			m := a.Sample(0, 1)
			m.Process = nil
			return m
		}},
		{"negative pid", report.BadNumber, func(a *story.Actor) *bulkheadv1.Message {
			m := a.Sample(0, 1)
			m.Process.Pid = -7
			return m
		}},
		{"negative rollover", report.BadNumber, rollover(func(r *bulkheadv1.Rollover) { r.SyncNano = -1 })},
		{"huge rollover", report.BadNumber, rollover(func(r *bulkheadv1.Rollover) { r.SizeBytes = math.MaxUint64 })},
		{"rollover before 1970", report.BadTime, rollover(func(r *bulkheadv1.Rollover) { r.FirstWriteUnixNano = -1 })},
		{"negative cpu", report.BadNumber, sample(func(m *bulkheadv1.Monitor) { m.UserCpuNano = math.MinInt64 })},
		{"huge memory", report.BadNumber, sample(func(m *bulkheadv1.Monitor) { m.ResidentBytes = math.MaxUint64 })},
		{"round again", report.BadRound, beat(func(h *bulkheadv1.Heartbeat) { h.Round = 1 })},
		{"round 0", report.BadRound, beat(func(h *bulkheadv1.Heartbeat) { h.Round = 0 })},
		{"negative latency", report.BadNumber, beat(func(h *bulkheadv1.Heartbeat) { h.Answers[0].LatencyNano = -1 })},
		{"negative timeout", report.BadNumber, beat(func(h *bulkheadv1.Heartbeat) { h.TimeoutNano = -1 })},
		{"round before 1970", report.BadTime, beat(func(h *bulkheadv1.Heartbeat) { h.StartedUnixNano = -1 })},
		{"answers twice", report.BadAnswer, beat(func(h *bulkheadv1.Heartbeat) { h.Answers[1] = h.Answers[0] })},
		{"answers and is missed", report.BadAnswer, beat(func(h *bulkheadv1.Heartbeat) {
			h.Misses = append(h.Misses, &bulkheadv1.HeartbeatMiss{Process: h.Answers[0].Process})
		})},
		{"crowded round", report.BadCrowd,
			beat(func(h *bulkheadv1.Heartbeat) { h.Misses = make([]*bulkheadv1.HeartbeatMiss, report.MaxProcesses) })},
		{"exit of no class", report.BadExit, exit(func(e *bulkheadv1.ProcessExit) { e.Class = 0 })},
		{"exit before 1970", report.BadExit, exit(func(e *bulkheadv1.ProcessExit) { e.EndedUnixNano = -1 })},
		{"exit with absurd memory", report.BadExit,
			exit(func(e *bulkheadv1.ProcessExit) { e.MaxResidentBytes = math.MaxUint64 })},
		{"exit of nobody", report.BadProcess, exit(func(e *bulkheadv1.ProcessExit) { e.Process = nil })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			with, without := story.New(t, 1), story.New(t, 1)
			for _, s := range []*story.Story{with, without} {
				a := s.At(time.Second).Arrive("a", 1, 1, 4001, 0)
				a.Start()
				a.Say(a.Heartbeat(1), a.Progress(0, 9, 0, ""), a.Rollover(0, 0, false), a.Sample(0, 1), a.Sample(1, 1))
				if s == with {
					a.Say(test.spoil(a))
				}
			}
			rep := folded.All(t, with.Records)
			wantLeftOut(t, rep, test.why)
			got, want := rep.Clients[0], folded.All(t, without.Records).Clients[0]
			if diff := cmp.Diff([]report.Count{{Text: words.LeftOut(test.why), Reason: test.why, Count: 1}},
				got.MalformedWhy); got.Malformed != 1 || diff != "" {
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
func wantLeftOut(t *testing.T, rep *report.Report, why report.Bad) {
	t.Helper()
	text := words.LeftOut(why)
	if want := "client a: 1 message left out: " + text; !slices.Contains(rep.Verdict.Reasons, want) ||
		rep.Verdict.Word != report.WordPartial {
		t.Errorf("%s for %q; want %q", rep.Verdict.Word, rep.Verdict.Reasons, want)
	}
	for _, f := range rep.Findings {
		if f.Kind == report.FindingLeftOut {
			if f.Client != "a" || !strings.HasPrefix(f.Evidence, "message ") ||
				!strings.HasSuffix(f.Evidence, ": "+text) {
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

func progress(spoil func(*bulkheadv1.Progress)) func(*story.Actor) *bulkheadv1.Message {
	return func(a *story.Actor) *bulkheadv1.Message {
		m := a.Progress(0, 100, 0, "")
		spoil(m.GetProgress())
		return m
	}
}

func rollover(spoil func(*bulkheadv1.Rollover)) func(*story.Actor) *bulkheadv1.Message {
	return func(a *story.Actor) *bulkheadv1.Message {
		m := a.Rollover(0, 1, false)
		spoil(m.GetRollover())
		return m
	}
}

func sample(spoil func(*bulkheadv1.Monitor)) func(*story.Actor) *bulkheadv1.Message {
	return func(a *story.Actor) *bulkheadv1.Message {
		m := a.Sample(0, 2)
		spoil(m.GetMonitor())
		return m
	}
}

func beat(spoil func(*bulkheadv1.Heartbeat)) func(*story.Actor) *bulkheadv1.Message {
	return func(a *story.Actor) *bulkheadv1.Message {
		m := a.Heartbeat(2)
		spoil(m.GetHeartbeat())
		return m
	}
}

func exit(spoil func(*bulkheadv1.ProcessExit)) func(*story.Actor) *bulkheadv1.Message {
	return func(a *story.Actor) *bulkheadv1.Message {
		m := a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil)
		spoil(m.GetStop().GetExits()[1])
		return m
	}
}

func TestMalformedBatches(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Say(a.Progress(0, 5, 0, ""))
	a.SayBytes(2, 4, []byte{0xff})
	a.SayBytes(5, 5, nil) // decodes, to nothing
	good := s.Records[len(s.Records)-3].GetSessionBatch().GetBatch()
	a.SayBytes(6, 6, good) // holds message 1
	a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", nil))
	a.Say(a.Progress(0, 5, 0, ""))
	c := folded.All(t, s.Records).Clients[0]
	want := []report.Count{
		{Text: words.LeftOut(report.BadBatch), Reason: report.BadBatch, Count: 3},
		{Text: words.LeftOut(report.BadSequence), Reason: report.BadSequence, Count: 2},
		{Text: words.LeftOut(report.BadLate), Reason: report.BadLate, Count: 1},
	}
	if diff := cmp.Diff(want, c.MalformedWhy); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.Messages != 2 || c.Malformed != 6 || c.LastSeq != 8 || c.Chunks != 5 {
		t.Errorf("%d messages, %d malformed, last %d, %d chunks; want 2, 6, 8, 5", c.Messages, c.Malformed, c.LastSeq,
			c.Chunks)
	}
}

// Whatever a client calls things, the text has no control characters and the
// tables hold together.
func TestHostileTextsAreHarmless(t *testing.T) {
	evil := "\x1b[2J\x1b]0;owned\a\u202egnp\u009b31m\r\nfake: COMPLETE\xff\t" + strings.Repeat("A", 100_000)
	s := story.New(t, 1)
	a := s.Arrive(evil, 1, 1, 4001, 0)
	hello := s.Records[1].GetSessionOpened().GetHello()
	hello.Host, hello.ClientVersion, hello.Labels = evil, evil, map[string]string{evil: evil}
	m := a.Progress(0, 1, 1, "")
	m.GetProgress().LastError = strings.ToValidUTF8(evil, "?")
	r := a.Rollover(0, 0, false)
	r.GetRollover().Path = strings.ToValidUTF8(evil, "?")
	a.Say(m, r)
	a.Detach(1, evil)
	a.End(bulkheadv1.Outcome_OUTCOME_LOST, evil)
	s.Rejected(9, 4009, evil, evil, evil)
	s.Ended(bulkheadv1.RunEnd_RUN_END_FAILED, evil)
	text, json := rendered(t, folded.All(t, s.Records))
	checkPrintable(t, text)
	if len(text) > 20_000 || len(json) > 30_000 {
		t.Errorf("text of %d bytes, JSON of %d: the texts were not cut", len(text), len(json))
	}
}
