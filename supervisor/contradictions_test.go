package supervisor_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
)

// What a client says that cannot be true together is said of it, by what it is, and once for
// each time.
func TestDataThatContradictEachOther(t *testing.T) {
	t.Parallel()
	consumer := func(index uint32) *bulkheadv1.Process {
		return &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Index: index,
			Pid: 4711 + int32(index)}
	}
	begin := func(index uint32) *bulkheadv1.Message {
		return &bulkheadv1.Message{Process: consumer(index),
			Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}}}
	}
	end := func(exits ...*bulkheadv1.ProcessExit) *bulkheadv1.Message {
		return &bulkheadv1.Message{
			Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, Pid: 4700},
			Fact: &bulkheadv1.Message_Stop{
				Stop: &bulkheadv1.Stop{Reason: bulkheadv1.StopReason_STOP_REASON_RUNTIME, Exits: exits}},
		}
	}
	clean := func(index uint32) *bulkheadv1.ProcessExit {
		return &bulkheadv1.ProcessExit{Process: consumer(index), Class: bulkheadv1.ExitClass_EXIT_CLASS_CLEAN}
	}
	wrote := func(change func(*bulkheadv1.Progress)) *bulkheadv1.Message {
		m := rawclient.Message(0)
		change(m.GetProgress())
		return m
	}
	honest := func(*bulkheadv1.Progress) {}
	file := func(size, chunk, chunks uint64) *bulkheadv1.Message {
		return &bulkheadv1.Message{Process: consumer(0),
			Fact: &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{
				Path: "/load/0", SizeBytes: size, ChunkSizeBytes: chunk, Chunks: chunks,
			}}}
	}
	answered := &bulkheadv1.Message{
		Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, Pid: 4700},
		Fact: &bulkheadv1.Message_Heartbeat{
			Heartbeat: &bulkheadv1.Heartbeat{Round: 1, Answers: []*bulkheadv1.HeartbeatAnswer{
				{Process: consumer(1), LatencyNano: 1000, State: bulkheadv1.WorkerState_WORKER_STATE_WORKING},
			}}},
	}
	killed := clean(0)
	killed.Class, killed.Signal = bulkheadv1.ExitClass_EXIT_CLASS_CRASH, 9
	early := clean(0)
	early.StartedUnixNano, early.EndedUnixNano = time.Now().UnixNano(), time.Now().Add(-time.Minute).UnixNano()
	workload := &bulkheadv1.Workload{RuntimeNano: int64(time.Hour),
		Consumers: []*bulkheadv1.ConsumerSpec{{Path: "/load", ChunkSizeBytes: 1 << 20, FileSizeBytes: 1 << 30}}}
	for name, tt := range map[string]struct {
		says  []*bulkheadv1.Message
		what  string // "" for nothing
		count uint64
	}{
		"nothing": {[]*bulkheadv1.Message{begin(0), wrote(honest), end(clean(0))}, "", 0},
		"count unlike": {[]*bulkheadv1.Message{begin(0),
			wrote(func(p *bulkheadv1.Progress) { p.Chunks = 63 }), wrote(honest), end(clean(0))},
			"Progress: chunks are not as many as their latencies", 1},
		"behind Stop": {[]*bulkheadv1.Message{begin(0), wrote(honest), end(clean(0)), wrote(honest),
			wrote(honest)}, "messages after Stop", 2},
		"a missing exit": {[]*bulkheadv1.Message{begin(0), begin(1), wrote(honest), end(clean(0))},
			"Stop: no exit of a worker that had started", 1},
		"bytes unlike chunks": {[]*bulkheadv1.Message{begin(0),
			wrote(func(p *bulkheadv1.Progress) { p.Bytes = 640 << 20 }), end(clean(0))},
			"Progress: more bytes than the chunks can hold", 1},
		"files unlike bytes": {[]*bulkheadv1.Message{begin(0), wrote(honest), file(65<<20, 1<<20, 65),
			end(clean(0))}, "Rollover: the files of a consumer hold more than it wrote", 1},
		"files of one that was killed before it said its last Progress": {[]*bulkheadv1.Message{begin(0), wrote(honest),
			file(65<<20, 1<<20, 65), end(killed)}, "", 0},
		"a file unlike chunks": {[]*bulkheadv1.Message{begin(0), wrote(honest), file(8<<20, 1<<20, 2),
			end(clean(0))}, "Rollover: a file holds more than its chunks can", 1},
		"a consumer too many": {[]*bulkheadv1.Message{begin(0), begin(7), wrote(honest), end(clean(0), clean(7))},
			"a consumer that the workload does not have", 1},
		"an end before its start": {[]*bulkheadv1.Message{begin(0), wrote(honest), end(early)},
			"Stop: a worker ended before it had started", 1},
		"an answer of nobody": {[]*bulkheadv1.Message{begin(0), answered, wrote(honest), end(clean(0))},
			"Heartbeat: an answer of a worker that never started", 1},
		"a runtime cut short": {[]*bulkheadv1.Message{begin(0), wrote(honest), end(clean(0))},
			"Stop: the runtime is over, but it had not passed", 1},
		"an exit of nobody": {[]*bulkheadv1.Message{begin(0), wrote(honest), end(clean(0), clean(1))},
			"Stop: the exit in order of a worker that was never heard of", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, nil)
			hello := rawclient.Hello("alpha")
			switch name {
			case "a runtime cut short":
				hello.Workload = workload
			case "bytes unlike chunks", "a consumer too many":
				hello.Workload = &bulkheadv1.Workload{Consumers: workload.Consumers}
			}
			c := s.greet(hello, 0)
			b := new(bulkheadv1.Batch)
			for i, m := range tt.says {
				m = proto.CloneOf(m)
				m.Seq, m.TimeUnixNano = uint64(i+1), time.Now().UnixNano()
				b.Messages = append(b.Messages, m)
			}
			last := uint64(len(b.Messages))
			must(t, errors.Join(c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: b}}),
				c.AwaitAck(last)))
			s.closeInOrder(c, last)
			wantContradiction(t, s.wait(), tt.what, func(n uint64) bool { return n == tt.count })
		})
	}
}

// A client that has more batches on their way than it was told is served all the same, and
// the report says so.
func TestAWindowThatIsNotKept(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Session.MaxUnackedBatches = 1 })
	c := s.greet(rawclient.Hello("alpha"), 0)
	const batches = 200
	for seq := uint64(1); seq <= batches; seq++ {
		must(t, c.SendBatch(seq, seq))
	}
	must(t, c.AwaitAck(batches))
	s.closeInOrder(c, batches)
	rep := s.wait()
	wantContradiction(t, rep, "more batches on their way than max_unacked_batches",
		func(n uint64) bool { return n > 0 && n < batches })
	if got := wantClient(t, rep, "alpha", "closed", "said goodbye"); got.Messages != batches {
		t.Errorf("%d messages; want all %d", got.Messages, batches)
	}
}

// wantContradiction checks that the only client contradicts itself in this alone, as often as
// so accepts, and that a finding says it.
func wantContradiction(t *testing.T, rep *report.Report, what string, so func(uint64) bool) {
	t.Helper()
	said := rep.Clients[0].Contradictions
	told := slices.ContainsFunc(rep.Findings,
		func(f report.Finding) bool { return f.Kind == report.FindingContradiction })
	switch {
	case what == "":
		if len(said) > 0 || told {
			t.Errorf("an honest client contradicts itself: %+v", said)
		}
	case len(said) != 1 || said[0].What != what || !so(said[0].Count):
		t.Errorf("it contradicts itself in %+v; want %q", said, what)
	case !told:
		t.Errorf("no finding says it: %+v", rep.Findings)
	}
}
