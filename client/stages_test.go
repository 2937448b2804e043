package client

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// stageMarks returns which consumer began which stage, in order, and the bytes of each stage.
func (r *running) stageMarks() (marks []string, bytes map[uint32]uint64) {
	bytes = make(map[uint32]uint64)
	messages, _, _ := r.collector.Snapshot()
	for _, m := range messages {
		if b := m.GetStageBegun(); b != nil {
			marks = append(marks, fmt.Sprintf("%d:%d", m.GetProcess().GetIndex(), b.GetStage()))
		}
		if p := m.GetProgress(); p != nil {
			bytes[p.GetStage()] += p.GetBytes()
		}
	}
	return marks, bytes
}

// A client runs its stages in real processes: what all of them write in a stage together ends it, the
// last one ends the load, and none of a fill is in the result.
func TestClientRunsItsStages(t *testing.T) {
	const fill = 8 << 20
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		c.Stages = workload.Stages{
			{Name: "fill", TotalBytes: fill, Unreported: true},
			{Name: "peak", Duration: 500 * time.Millisecond, Concurrency: 2, Pause: 100 * time.Millisecond},
			{Name: "half", Duration: 500 * time.Millisecond, RatePercent: 50, RateOf: 2},
		}
	})
	result := r.end()
	if r.err != nil || result.Verdict != VerdictComplete {
		t.Fatalf("Run = %+v, %v; want complete", result, r.err)
	}
	// Nobody knows how long a stage lasts that its bytes end.
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_TOTAL {
		t.Errorf("stop = %v; want that all is written", stop)
	}
	workload := r.collector.Hellos[0].GetWorkload()
	if workload.GetRuntimeNano() != 0 || len(workload.GetStages()) != 3 || workload.GetStages()[1].GetName() != "peak" {
		t.Errorf("the Hello has %v", workload)
	}
	marks, bytes := r.stageMarks()
	if len(marks) != 6 {
		t.Errorf("stages began: %v; want three of two consumers", marks)
	}
	// Less than a chunk more, and what is being written when peak ends counts in half.
	if bytes[1] < fill || bytes[1] >= fill+2*64<<10 || bytes[2] == 0 || bytes[3] == 0 || bytes[0] != 0 {
		t.Errorf("bytes in each stage: %v; want %d in the first", bytes, fill)
	}
	if result.Bytes != bytes[2]+bytes[3] {
		t.Errorf("the result has %d bytes; want those of %v without the fill", result.Bytes, bytes)
	}
}

// A consumer that is killed at a stage change takes the others' stages with it no more than their bytes:
// they go on, and the load ends as it would have.
func TestStagesOutliveAConsumer(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		c.Stages = workload.Stages{{Name: "a", Duration: 400 * time.Millisecond},
			{Name: "b", Duration: 600 * time.Millisecond}}
	})
	begun := r.until("the second stage", func(m *bulkheadv1.Message) bool { return m.GetStageBegun().GetStage() == 2 })
	if err := syscall.Kill(int(begun.GetProcess().GetPid()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	result := r.end()
	if r.err != nil || result.Verdict == VerdictComplete || len(result.CrashedWorkers) != 1 {
		t.Errorf("Run = %+v, %v; want one that lost a consumer", result, r.err)
	}
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_RUNTIME ||
		stop.GetRuntimeReachedNano() < int64(time.Second) {
		t.Errorf("stop = %v; want the runtime of a second", stop)
	}
}

// A consumer that is stopped before the last stage says nothing of it; the load ends all the same, some
// time after the stage did for the other.
func TestStagesDoNotWaitForAStoppedConsumer(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		c.StallAfter, c.KillTimeout = 100*time.Millisecond, time.Second
		c.Stages = workload.Stages{{Name: "a", Duration: time.Second}, {Name: "b", TotalBytes: 1 << 40,
			Duration: 300 * time.Millisecond}}
	})
	begun := r.until("the first stage", func(m *bulkheadv1.Message) bool { return m.GetStageBegun().GetStage() == 1 })
	if err := syscall.Kill(int(begun.GetProcess().GetPid()), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	result := r.end()
	if r.err != nil || len(result.CrashedWorkers) != 1 {
		t.Errorf("Run = %+v, %v; want one that killed a consumer", result, r.err)
	}
	if strings.Contains(r.log.String(), "in mid-run") {
		t.Error("the load ended when the consumer was given up for another reason")
	}
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_RUNTIME ||
		stop.GetRuntimeReachedNano() < int64(1300*time.Millisecond) {
		t.Errorf("stop = %v; want the runtime of 1.3 s", stop)
	}
}

// The connection breaks again and again, with what was sent durable and not; no mark is lost or there
// twice, and the stages go on.
func TestStageMarksSurviveReconnects(t *testing.T) {
	acts := []scripted.Act{scripted.BreakAfter(2, true, scripted.Cut), scripted.BreakAfter(2, false, scripted.Cut),
		scripted.BreakAfter(1, false, scripted.Unavailable), scripted.BreakAfter(3, true, scripted.Unavailable),
		scripted.Orderly}
	r := startClient(t, scripted.Start(t, acts...), func(c *spec.Config) {
		for i := range 6 {
			c.Stages = append(c.Stages, workload.Stage{Name: fmt.Sprint(i), Duration: 300 * time.Millisecond})
		}
	})
	result := r.end()
	if r.err != nil || result.Verdict != VerdictComplete {
		t.Fatalf("Run = %+v, %v; want complete", result, r.err)
	}
	if _, connections, _ := r.collector.Snapshot(); connections != len(acts) {
		t.Errorf("%d connections; want %d", connections, len(acts))
	}
	seen := make(map[string]int)
	marks, _ := r.stageMarks()
	for _, one := range marks {
		seen[one]++
	}
	for consumer := range 2 {
		for stage := 1; stage <= 6; stage++ {
			if n := seen[fmt.Sprintf("%d:%d", consumer, stage)]; n != 1 {
				t.Errorf("consumer %d said %d times that it begins stage %d", consumer, n, stage)
			}
		}
	}
}

// The last stage is over when it is for all that are at work, or so much later than for the first.
func TestStagesLeft(t *testing.T) {
	const second = int64(time.Second)
	for name, tt := range map[string]struct {
		began   map[uint32]int64 // in seconds
		working []uint32
		want    time.Duration
		known   bool
	}{
		"nobody has begun it":      {nil, []uint32{0, 1}, 0, false},
		"nobody is at work":        {map[uint32]int64{0: 100}, nil, 0, false},
		"all have":                 {map[uint32]int64{0: 100, 1: 101}, []uint32{0, 1}, 6 * time.Second, true},
		"one has ended":            {map[uint32]int64{0: 100, 1: 101}, []uint32{0}, 5 * time.Second, true},
		"one is late":              {map[uint32]int64{0: 100}, []uint32{0, 1}, 8 * time.Second, true},
		"one is later than may be": {map[uint32]int64{0: 100, 1: 109}, []uint32{0, 1}, 8 * time.Second, true},
	} {
		s := &stages{list: workload.Stages{{Duration: time.Hour}, {Duration: 10 * time.Second}},
			changed: make(chan struct{}, 1), last: make(map[uint32]int64), log: func(uint32, *bulkheadv1.StageBegun) {}}
		for index, at := range tt.began {
			s.count(&bulkheadv1.Message{Process: &bulkheadv1.Process{Index: index}, ElapsedNano: at * second,
				Fact: &bulkheadv1.Message_StageBegun{StageBegun: &bulkheadv1.StageBegun{Stage: 2}}})
		}
		got, known := s.left(105*second, tt.working, 3*time.Second)
		if got != tt.want || known != tt.known {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, known, tt.want, tt.known)
		}
	}
}
