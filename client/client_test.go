package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/client/spec"
	"bulkhead/internal/config/value"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestRunDeliversAWholeLoad(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly),
		func(c *spec.Config) { c.Runtime = 1500 * time.Millisecond })
	result := r.end()
	if r.err != nil || result.Verdict != VerdictComplete || result.ExitCode() != 0 || !result.Delivered ||
		!result.Closed {
		t.Fatalf("Run = %+v, %v; want complete", result, r.err)
	}
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_RUNTIME || len(stop.Exits) != 3 {
		t.Errorf("stop = %v; want the runtime and three exits", stop)
	}
	for i, exit := range r.stop().Exits {
		want := []bulkheadv1.ProcessKind{bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER,
			bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR}[i]
		if exit.Process.Kind != want || exit.Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
			t.Errorf("exit %d = %v; want a clean one of %s", i, exit, want)
		}
	}
	var starts, beats, answers, samples int
	var bytes, files uint64
	messages, _, goodbye := r.collector.Snapshot()
	for i, m := range messages {
		if m.TimeUnixNano == 0 || m.GetProcess().GetPid() == 0 {
			t.Errorf("message without time or process: %v", m)
		}
		switch {
		case m.GetStart() != nil:
			if starts++; (i == 0) != (m.Process.Kind == bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT) {
				t.Errorf("message %d is %v; want the client's Start first", i, m)
			}
		case m.GetHeartbeat() != nil:
			beat := m.GetHeartbeat()
			answers += len(beat.GetAnswers())
			if beats++; beat.GetRound() != uint64(beats) || len(beat.GetAnswers())+len(beat.GetMisses()) != 3 {
				t.Errorf("heartbeat = %v; want round %d about three workers", m, beats)
			}
		case m.GetMonitor() != nil:
			samples++
		case m.GetProgress() != nil:
			bytes += m.GetProgress().GetBytes()
		case m.GetRollover() != nil:
			files++
		}
	}
	if starts != 4 || answers == 0 || samples == 0 || files < 2 || bytes == 0 || goodbye == nil {
		t.Errorf("%d starts, %d heartbeat answers, %d samples, %d files, %d bytes, goodbye %v", starts, answers,
			samples, files, bytes, goodbye)
	}
	if result.Bytes != bytes || result.Files != files || result.Messages != uint64(len(messages)) {
		t.Errorf("result = %+v; want %d bytes, %d files, %d messages", result, bytes, files, len(messages))
	}
}

// TestRuntimeCountsFromTheEndOfTheWarmUp runs a client that warms up: its runtime follows, and nothing
// of its figures is of the warm-up.
func TestRuntimeCountsFromTheEndOfTheWarmUp(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly),
		func(c *spec.Config) { c.Warmup, c.Runtime = 700*time.Millisecond, time.Second })
	result := r.end()
	if r.err != nil || result.Verdict != VerdictComplete {
		t.Fatalf("Run = %+v, %v; want complete", result, r.err)
	}
	var began, stopped int64
	var bytes, warm uint64
	messages, _, _ := r.collector.Snapshot()
	for _, m := range messages {
		switch p := m.GetProgress(); {
		case m.GetBegun() != nil:
			began = m.GetElapsedNano()
		case m.GetStop() != nil:
			stopped = m.GetElapsedNano()
		case p.GetWarmup():
			warm += p.GetBytes()
		default:
			bytes += p.GetBytes()
		}
	}
	w := r.collector.Hellos[0].GetWorkload()
	if w.GetWarmupNano() != int64(700*time.Millisecond) || warm == 0 || bytes == 0 || result.Bytes != bytes {
		t.Errorf("%v: %d bytes in the warm-up, %d after it, and the result has %d", w, warm, bytes, result.Bytes)
	}
	reached := r.stop().GetRuntimeReachedNano()
	if reached < int64(time.Second) || stopped-began < reached+int64(700*time.Millisecond) {
		t.Errorf("the load reached %v of its runtime in %v", time.Duration(reached), time.Duration(stopped-began))
	}
}

// TestRunThatIsInterruptedBeforeItsWelcomeSaysGoodbye interrupts a client whose Hello is
// out. The supervisor, which knows it by then, is told the end.
func TestRunThatIsInterruptedBeforeItsWelcomeSaysGoodbye(t *testing.T) {
	asked, noticed := make(chan struct{}), make(chan struct{})
	c := scripted.Start(t, func(c *scripted.Collector, stream scripted.ServerStream) error {
		close(asked)
		<-noticed
		return scripted.Orderly(c, stream)
	})
	r := startClient(t, c, nil)
	<-asked
	r.signals <- syscall.SIGINT
	r.log.Await(t, "ending in order")
	close(noticed)
	result := r.end()
	if r.err != nil || result.Reason != bulkheadv1.StopReason_STOP_REASON_INTERRUPTED {
		t.Errorf("Run = %+v, %v; want interrupted", result, r.err)
	}
	if r.stop().Reason != bulkheadv1.StopReason_STOP_REASON_INTERRUPTED {
		t.Errorf("stop = %v; want interrupted", r.stop())
	}
	c.Mu.Lock()
	defer c.Mu.Unlock()
	if c.Goodbye == nil {
		t.Error("the client said no goodbye")
	}
}

func TestRunNamesAKilledConsumer(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), nil)
	pid := r.consumerPid(1)
	r.kill(pid, syscall.SIGKILL)
	r.missed(pid, "process is gone (killed by signal 9 (SIGKILL))")
	r.log.Await(t, fmt.Sprintf("consumer 1 (pid %d) is lost in mid-run: killed by signal 9 (SIGKILL)", pid))
	r.signals <- syscall.SIGTERM
	result := r.end()
	if r.err != nil || result.ExitCode() != 3 || len(result.CrashedWorkers) != 1 ||
		!strings.Contains(result.CrashedWorkers[0], "consumer 1 (pid ") {
		t.Errorf("Run = %+v, %v; want partial for consumer 1", result, r.err)
	}
	stop := r.stop()
	if stop.Reason != bulkheadv1.StopReason_STOP_REASON_INTERRUPTED ||
		stop.Exits[0].Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN ||
		stop.Exits[1].Class != bulkheadv1.ExitClass_EXIT_CLASS_CRASH || stop.Exits[1].Signal != 9 ||
		stop.Exits[1].Process.Pid != int32(pid) {
		t.Errorf("stop = %v; want consumer 1 killed and consumer 0 clean", stop)
	}
}

func TestRunEndsWhenNoConsumerIsLeft(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), nil)
	for i := range uint32(2) {
		r.kill(r.consumerPid(i), syscall.SIGKILL)
	}
	result := r.end()
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_FAILED ||
		!strings.HasPrefix(stop.Detail, "no consumer is left; the last, consumer ") || result.ExitCode() != 3 {
		t.Errorf("Run = %+v, stop %v; want failed", result, stop)
	}
}

func TestRunGoesOnWithoutItsMonitor(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), nil)
	monitor := r.until("the monitor", func(m *bulkheadv1.Message) bool {
		return m.GetStart() != nil && m.GetProcess().GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR
	})
	r.consumerPid(0)
	pid := int(monitor.GetProcess().GetPid())
	r.kill(pid, syscall.SIGKILL)
	r.missed(pid, "process is gone (killed by signal 9 (SIGKILL))")
	r.signals <- syscall.SIGINT
	result := r.end()
	if exits := r.stop().Exits; result.ExitCode() != 3 || exits[0].Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN ||
		exits[2].Class != bulkheadv1.ExitClass_EXIT_CLASS_CRASH {
		t.Errorf("Run = %+v, exits %v; want only the monitor crashed", result, exits)
	}
}

func TestStuckConsumerIsKilledInTime(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly),
		func(c *spec.Config) { c.KillTimeout = 500 * time.Millisecond })
	pid := r.consumerPid(0)
	r.kill(pid, syscall.SIGSTOP)
	r.missed(pid, "no answer in ")
	r.signals <- syscall.SIGINT
	result := r.end()
	if exits := r.stop().Exits; result.ExitCode() != 3 || exits[0].Class != bulkheadv1.ExitClass_EXIT_CLASS_KILLED ||
		exits[0].Cause != "did not end in time and was killed" ||
		exits[1].Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
		t.Errorf("Run = %+v, exits %v; want consumer 0 killed and consumer 1 clean", result, exits)
	}
}

// A worker whose job is not over when kill_timeout is gets no further time.
func TestLateWorkerGetsNoMoreTime(t *testing.T) {
	one := newWorker(slog.New(slog.DiscardHandler), bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, 0)
	if got := one.exitTimeout(); got != lateTimeout {
		t.Errorf("at work: %s to exit; want %s", got, lateTimeout)
	}
	close(one.ended)
	if got := one.exitTimeout(); got != stopTimeout {
		t.Errorf("its job over: %s to exit; want %s", got, stopTimeout)
	}
}

func TestSecondInterruptLeavesNoProcess(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) { c.KillTimeout = time.Hour })
	r.kill(r.consumerPid(0), syscall.SIGSTOP) // an orderly end would take an hour
	r.signals <- syscall.SIGINT
	r.signals <- syscall.SIGINT
	result := r.end()
	if r.err != nil || result.ExitCode() != 3 || len(result.Problems) == 0 {
		t.Errorf("Run = %+v, %v; want partial", result, r.err)
	}
	stop := r.stop()
	if stop.Reason != bulkheadv1.StopReason_STOP_REASON_INTERRUPTED {
		t.Errorf("stop = %v", stop)
	}
	if exit := stop.Exits[0]; exit.Class != bulkheadv1.ExitClass_EXIT_CLASS_KILLED ||
		exit.Cause != "killed because the client was interrupted a second time" {
		t.Errorf("exit = %v; want the interrupt as its cause", exit)
	}
}

func TestRunSurvivesLostConnections(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.BreakAfter(2, true, scripted.Cut),
		scripted.BreakAfter(3, false, scripted.Cut), scripted.BreakAfter(2, true, scripted.Unavailable),
		scripted.Orderly), nil)
	r.until("files after the breaks", func(m *bulkheadv1.Message) bool {
		_, connections, _ := r.collector.Snapshot()
		return connections == 4 && m.GetHeartbeat().GetRound() > 4
	})
	r.signals <- syscall.SIGINT
	if result := r.end(); result.Verdict != VerdictInterrupted {
		t.Errorf("Run = %+v; want interrupted", result)
	}
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_INTERRUPTED {
		t.Errorf("stop = %v", stop)
	}
}

func TestUndeliveredMessagesAreKept(t *testing.T) {
	c := scripted.Start(t, scripted.BreakAfter(3, true, scripted.Unavailable),
		scripted.Refuse(codes.Unavailable, "the journal is away"))
	r := startClient(t, c, func(cfg *spec.Config) { cfg.Runtime, cfg.DeliverTimeout = time.Second, time.Second })
	result := r.end()
	if result.ExitCode() != 3 || result.Delivered || result.SpoolPath == "" || result.Undelivered == 0 {
		t.Fatalf("Run = %+v; want undelivered messages", result)
	}
	var last *bulkheadv1.Message
	summary, err := readSpool(result.SpoolPath, func(m *bulkheadv1.Message) { last = m })
	messages, _, _ := c.Snapshot()
	if err != nil || summary.Damage != "" || uint64(summary.Messages) != result.Undelivered ||
		summary.ClientID != result.ClientID ||
		summary.FirstSeq > uint64(len(messages))+1 || last.GetStop() == nil {
		t.Errorf("spool = %+v, %v, ends with %v; want the %d undelivered and the Stop", summary, err, last,
			result.Undelivered)
	}
}

// bothWrote reports whether each consumer has told of a file: a load that ends before one has
// written is partial, whoever asked for its end.
func bothWrote(c *scripted.Collector) bool {
	messages, _, _ := c.Snapshot()
	var wrote [2]bool
	for _, m := range messages {
		if m.GetRollover() != nil {
			wrote[m.GetProcess().GetIndex()] = true
		}
	}
	return wrote == [2]bool{true, true}
}

func TestRunDrainsWhenAsked(t *testing.T) {
	c := scripted.Start(t, func(c *scripted.Collector, stream scripted.ServerStream) error {
		if err := c.Welcome(stream); err != nil {
			return err
		}
		asked := false
		return c.Receive(stream, func(_ int, last uint64) error {
			if !asked && bothWrote(c) {
				asked = true
				drain := &bulkheadv1.Drain{Reason: "maintenance", WithinNano: int64(time.Minute)}
				if err := stream.Send(&bulkheadv1.ServerFrame{
					Frame: &bulkheadv1.ServerFrame_Drain{Drain: drain}}); err != nil {
					return err
				}
			}
			return stream.Send(scripted.AckFrame(last))
		})
	})
	r := startClient(t, c, nil)
	result := r.end()
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_DRAINED || stop.Detail != "maintenance" ||
		result.Verdict != VerdictInterrupted ||
		!strings.HasPrefix(result.Interruption, "drained by an operator of the supervisor after ") ||
		!strings.HasSuffix(result.Interruption, " of 1h0m0s: maintenance") {
		t.Errorf("Run = %+v, stop %v; want drained and interrupted", result, stop)
	}
}

func TestRunEndsWhenTheSupervisorRefusesInMidRun(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.BreakAfter(3, true, scripted.Unavailable),
		scripted.Refuse(codes.FailedPrecondition, "the session is over")), nil)
	result := r.end()
	if r.err != nil || result.ExitCode() != 3 || result.Reason != bulkheadv1.StopReason_STOP_REASON_FAILED ||
		!strings.Contains(result.Detail, "the session is over") || result.SpoolPath == "" {
		t.Errorf("Run = %+v, %v; want partial, with the refusal", result, r.err)
	}
}

// A client that cannot work is none of the run's.
func TestUnworkableClientNeverConnects(t *testing.T) {
	above := filepath.Join(t.TempDir(), "not", "there")
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		c.Consumers[0].Path, c.Consumers[1].FileSize = above, 1<<60
	})
	result := r.end()
	if !errors.Is(r.err, spec.ErrConfig) || result.ExitCode() != exitstatus.Config || result.Closed ||
		result.SessionID != "" {
		t.Fatalf("Run = %+v, %v; want unworkable", result, r.err)
	}
	if messages, connections, _ := r.collector.Snapshot(); len(messages)+connections != 0 {
		t.Errorf("connections %d, messages %v; want none", connections, messages)
	}
	if _, err := os.Stat(filepath.Dir(above)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder that was made for it: %v; want none", err)
	}
}

func TestFullSpoolEndsTheLoad(t *testing.T) {
	hold := make(chan struct{})
	c := scripted.Start(t, func(c *scripted.Collector, stream scripted.ServerStream) error {
		if err := c.Welcome(stream); err != nil {
			return err
		}
		return c.Receive(stream, func(_ int, last uint64) error {
			<-hold
			return stream.Send(scripted.AckFrame(last))
		})
	})
	r := startClient(t, c, func(cfg *spec.Config) { cfg.SpoolMemory, cfg.SpoolMaxSize = 1000, 2000 })
	r.log.Await(t, "messages have no room")
	close(hold)
	result := r.end()
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_FAILED ||
		!strings.Contains(stop.Detail, "spool is full") || result.Dropped == 0 || result.ExitCode() != 3 {
		t.Errorf("Run = %+v, stop %v; want failed by a full spool", result, stop)
	}
}

func TestKeptLoadFilesStay(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) { c.Keep = true })
	for i := range uint32(2) {
		r.until("a file", func(m *bulkheadv1.Message) bool {
			return m.GetRollover() != nil && m.GetProcess().GetIndex() == i
		})
	}
	r.signals <- syscall.SIGINT
	result := r.end()
	if len(result.LoadPaths) != 2 || result.Verdict != VerdictInterrupted {
		t.Fatalf("Run = %+v; want two folders kept", result)
	}
	for _, folder := range result.LoadPaths {
		if files, err := os.ReadDir(folder); err != nil || len(files) == 0 {
			t.Errorf("kept in %s: %v, %v", folder, files, err)
		}
	}
}

func TestWorkersThatCannotStart(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) { c.Executable = "/bin/false" })
	result := r.end()
	if result.ExitCode() != 3 || result.Detail != "no consumer is left" || len(result.CrashedWorkers) != 3 {
		t.Errorf("Run = %+v; want three workers that never started", result)
	}
	for _, exit := range r.stop().Exits {
		if exit.Class != bulkheadv1.ExitClass_EXIT_CLASS_NOT_STARTED {
			t.Errorf("exit = %v; want not started", exit)
		}
	}
}

func TestInterruptWhileConnecting(t *testing.T) {
	c := scripted.New(t, scripted.ClosedAddress(t))
	r := startClient(t, c, nil)
	r.log.Await(t, "trying again")
	r.signals <- syscall.SIGINT
	if result := r.end(); !errors.Is(r.err, ErrInterrupted) || result.ExitCode() != exitstatus.Interrupted {
		t.Errorf("Run = %+v, %v; want interrupted", result, r.err)
	}
}

func TestRunRejectsABadConfiguration(t *testing.T) {
	result, err := Run(context.Background(), scripted.Config(), nil)
	if !errors.Is(err, spec.ErrConfig) || result.ExitCode() != exitstatus.Config {
		t.Errorf("Run = %+v, %v; want unworkable", result, err)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cfg := scripted.Config(scripted.Small(t.TempDir()))
	cfg.Supervisor, cfg.WorkDir = value.Addresses{scripted.ClosedAddress(t)}, scripted.ShortDir(t)
	if result, err := Run(ctx, cfg, nil); !errors.Is(err, context.Canceled) || result.ExitCode() != 1 {
		t.Errorf("Run = %+v, %v; want cancelled", result, err)
	}
}
