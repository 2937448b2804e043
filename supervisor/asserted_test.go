package supervisor_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/assertion"
	"bulkhead/internal/latency"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
)

// asserting has a run keep thresholds.
func asserting(t *testing.T, texts ...string) func(*supervisor.Config) {
	t.Helper()
	var list []assertion.Assertion
	for _, text := range texts {
		a, err := assertion.Parse(text)
		must(t, err)
		list = append(list, a)
	}
	return func(c *supervisor.Config) { c.Assert = list }
}

// progress is a message of a load that has written so much, each chunk in so long.
func progress(seq, bytes uint64, took time.Duration) *bulkheadv1.Message {
	var h latency.Histogram
	h.Add(took, 10)
	return &bulkheadv1.Message{Seq: seq, Fact: &bulkheadv1.Message_Progress{
		Progress: &bulkheadv1.Progress{Bytes: bytes, Chunks: 10, ChunkWrite: h.Proto()}}}
}

// writing sends messages of a load until the run is drained, and returns the last; want is the begin
// of the drain's reason. each is called before every message.
func writing(t *testing.T, c *rawclient.Client, bytes uint64, took time.Duration, want string, each func()) uint64 {
	t.Helper()
	return saying(t, c, want, func(seq uint64) *bulkheadv1.Message {
		each()
		return progress(seq, bytes, took)
	})
}

// saying does what writing does, with the messages that say returns.
func saying(t *testing.T, c *rawclient.Client, want string, say func(seq uint64) *bulkheadv1.Message) uint64 {
	t.Helper()
	often := time.NewTicker(50 * time.Millisecond) // a client has a pace
	defer often.Stop()
	deadline := time.Now().Add(patience)
	for seq := uint64(1); time.Now().Before(deadline); seq++ {
		<-often.C
		m := say(seq)
		m.TimeUnixNano = time.Now().UnixNano()
		m.Process = &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Pid: 2}
		must(t, c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{
			Batch: &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{m}}}}))
		drained := false
		for acked := uint64(0); acked < seq; {
			f, err := c.Recv()
			must(t, err)
			acked = max(acked, f.GetAck().GetSeq())
			if f.GetDrain() == nil {
				continue
			}
			drained = true
			if !strings.HasPrefix(f.GetDrain().GetReason(), want) {
				t.Errorf("the client is drained for %q; want %q", f.GetDrain().GetReason(), want)
			}
		}
		if drained {
			return seq
		}
	}
	t.Fatal("the run is not drained")
	return 0
}

func wantBroken(t *testing.T, rep *report.Report, text, breach string) {
	t.Helper()
	for _, a := range rep.Run.Assertions {
		if a.Text != text {
			continue
		}
		if a.State != report.AssertionBroken || !strings.HasPrefix(a.Breach, breach) || a.Value == "" {
			t.Errorf("the report has %+v; want it broken: %s", a, breach)
		}
		why := strings.Join(rep.Verdict.Reasons, "\n")
		if rep.Verdict.Word != report.WordPartial || !strings.Contains(why, text) {
			t.Errorf("the run is %s: %s; want it partial for %s", rep.Verdict.Word, why, text)
		}
		return
	}
	t.Errorf("the report has no %q: %+v", text, rep.Run.Assertions)
}

// A latency that is too high ends the run, and is judged again at its end.
func TestABreachEndsTheRun(t *testing.T) {
	t.Parallel()
	const text = "p99 < 50ms for 1s abort"
	s := start(t, asserting(t, text, "errors == 0"))
	c := s.greet(rawclient.Hello("alpha"), 0)
	last := writing(t, c, 1000, 90*time.Millisecond, text+" does not hold: p99 was at least ", func() {})
	st := s.status()
	if got := st.GetAssertions(); len(got) != 2 ||
		got[0].GetState() != bulkheadv1.AssertionState_ASSERTION_STATE_BREACHED ||
		got[0].GetBreachedNano() <= 0 || !got[0].GetAborts() || got[1].GetBreachedNano() != 0 || got[1].GetAborts() ||
		got[1].GetState() != bulkheadv1.AssertionState_ASSERTION_STATE_AT_END {
		t.Errorf("status shows %v", got)
	}
	s.closeInOrder(c, last)
	rep := s.wait()
	wantBroken(t, rep, text, "p99 was at least ")
	if rep.Run.DrainCause != report.DrainByAssertion || rep.Run.Assertions[1].State != report.AssertionHolds {
		t.Errorf("drained for %q, and %+v", rep.Run.DrainCause, rep.Run.Assertions)
	}
	found := 0
	for _, f := range rep.Findings {
		if f.Kind == report.FindingAssertion {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d findings of what was asserted; want 1", found)
	}
}

// A stage that is not reported is not watched, however slow it is; the one behind it is.
func TestAnUnreportedStageIsNotWatched(t *testing.T) {
	t.Parallel()
	const text = "p99 < 50ms for 1s abort"
	s := start(t, asserting(t, text))
	hello := rawclient.Hello("alpha")
	hello.Workload = &bulkheadv1.Workload{Stages: []*bulkheadv1.Stage{{Name: "fill", Unreported: true},
		{Name: "peak", DurationNano: int64(time.Hour)}}}
	c := s.greet(hello, 0)
	const filling = 90 // longer than any window
	last := saying(t, c, text+" does not hold: p99 was at least ", func(seq uint64) *bulkheadv1.Message {
		stage := uint32(1)
		if seq > filling {
			stage = 2
		}
		if seq == 1 || seq == filling+1 {
			return &bulkheadv1.Message{Seq: seq, Fact: &bulkheadv1.Message_StageBegun{
				StageBegun: &bulkheadv1.StageBegun{Stage: stage}}}
		}
		m := progress(seq, 1000, 90*time.Millisecond)
		m.GetProgress().Stage, m.GetProgress().Warmup = stage, stage == 1
		return m
	})
	if last <= filling {
		t.Errorf("the run was drained after %d messages, in the stage that is not reported", last)
	}
	if got := s.status().GetSessions()[0]; got.GetStage() != 2 || got.GetStages() != 2 ||
		got.GetStageName() != "peak" || got.GetStageLeftNano() <= 0 || got.GetStageLeftNano() >= int64(time.Hour) {
		t.Errorf("status shows stage %d of %d, %q, for %d ns more", got.GetStage(), got.GetStages(),
			got.GetStageName(), got.GetStageLeftNano())
	}
	s.closeInOrder(c, last)
	wantBroken(t, s.wait(), text, "p99 was at least ")
}

// A client that begins its stage again and again, or one that it does not have, is watched all the same.
func TestAStageBegunAnewIsWatched(t *testing.T) {
	t.Parallel()
	const text = "p99 < 50ms for 1s abort"
	for _, stage := range []uint32{1, 64} {
		s := start(t, asserting(t, text))
		hello := rawclient.Hello("alpha")
		hello.Workload = &bulkheadv1.Workload{Stages: []*bulkheadv1.Stage{{Name: "peak"}, {Name: "more"}}}
		c := s.greet(hello, 0)
		last := saying(t, c, text+" does not hold: p99 was at least ", func(seq uint64) *bulkheadv1.Message {
			if seq%2 == 1 {
				return &bulkheadv1.Message{Seq: seq, Fact: &bulkheadv1.Message_StageBegun{
					StageBegun: &bulkheadv1.StageBegun{Stage: stage}}}
			}
			m := progress(seq, 1000, 90*time.Millisecond)
			m.GetProgress().Stage = stage
			return m
		})
		s.closeInOrder(c, last)
		wantBroken(t, s.wait(), text, "p99 was at least ")
	}
}

// Without abort the run goes on, and is partial although the whole of it keeps the threshold.
func TestABreachWithoutAbort(t *testing.T) {
	t.Parallel()
	const text = "throughput > 1GB/s for 1s"
	s := start(t, asserting(t, text, "p99 < 50ms for 1s abort"))
	c := s.greet(rawclient.Hello("alpha"), 0)
	ended := false
	last := writing(t, c, 1000, time.Millisecond, "the supervisor received ", func() {
		if !ended && s.log.count("what was asserted does not hold", "assertion", text) == 1 {
			ended = true
			s.interrupts <- syscall.SIGTERM
		}
	})
	s.closeInOrder(c, last)
	rep := s.wait()
	wantBroken(t, rep, text, "throughput was at most ")
	if rep.Run.DrainCause != report.DrainByOperator || rep.Run.Assertions[1].State != report.AssertionHolds {
		t.Errorf("drained for %q, and %+v", rep.Run.DrainCause, rep.Run.Assertions)
	}
}

// What a supervisor had seen, and had not drained the run for, is not forgotten by the next one.
func TestABreachOutlivesTheSupervisor(t *testing.T) {
	t.Parallel()
	const text = "stalled == 0 abort"
	hello := rawclient.Hello("alpha")
	state, _ := leftRun(t, hello, &bulkheadv1.Record{Entry: &bulkheadv1.Record_AssertionBreached{
		AssertionBreached: &bulkheadv1.AssertionBreached{Assertion: text, Value: "stalled was 2", Aborts: true}}})
	s := start(t, func(c *supervisor.Config) { c.StateDir = state })
	s.log.await(t, "draining", "reason", text+" does not hold: stalled was 2")
	c := s.greet(hello, 5)
	wantDrain(t, c, text+" does not hold: stalled was 2", patience)
	s.closeInOrder(c, 5)
	if rep := s.wait(); rep.Run.DrainCause != report.DrainByAssertion {
		t.Errorf("drained for %q", rep.Run.DrainCause)
	}
}

// What does not hold of the whole run makes it partial, though nothing was watched.
func TestAnAssertionIsJudgedAtTheEnd(t *testing.T) {
	t.Parallel()
	s := start(t, asserting(t, "p50 < 1us", "clients == 1"))
	c := s.greet(rawclient.Hello("alpha"), 0)
	s.deliver(c, 1, 3)
	s.closeInOrder(c, 3)
	rep := s.wait()
	if a := rep.Run.Assertions; len(a) != 2 || a[0].State != report.AssertionBroken ||
		a[0].Value != "280µs" || a[1].State != report.AssertionHolds {
		t.Errorf("the report has %+v", a)
	}
}
