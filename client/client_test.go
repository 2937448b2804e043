package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// running is a client under test.
type running struct {
	t         *testing.T
	collector *collector
	cfg       Config
	log       *logLines
	signals   chan os.Signal
	done      chan struct{}
	result    Result
	err       error
}

// startClient runs a client with two consumers until the test ends. change adapts
// its configuration.
func startClient(t *testing.T, c *collector, change func(*Config)) *running {
	t.Helper()
	r := &running{t: t, collector: c, log: new(logLines), signals: make(chan os.Signal, 2), done: make(chan struct{})}
	load := t.TempDir()
	r.cfg = Config{
		Supervisor: c.address, Name: "tester", Runtime: time.Hour,
		ConnectTimeout: patienceInTests, KillTimeout: patienceInTests, DeliverTimeout: patienceInTests,
		HeartbeatInterval: 200 * time.Millisecond, MonitorInterval: 200 * time.Millisecond, ProgressInterval: 100 * time.Millisecond,
		WorkDir: shortDir(t), Logger: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	for range 2 {
		r.cfg.Consumers = append(r.cfg.Consumers, Consumer{Path: load, ChunkSize: 64 << 10, FileSize: 1 << 20, KeepFiles: 1})
	}
	if change != nil {
		change(&r.cfg)
	}
	go func() {
		defer close(r.done)
		r.result, r.err = Run(context.Background(), r.cfg, r.signals)
	}()
	t.Cleanup(func() {
		select {
		case <-r.done:
		default:
			r.signals <- syscall.SIGINT
			r.signals <- syscall.SIGINT
			<-r.done
		}
		if t.Failed() {
			t.Logf("log of the client:\n%s", r.log)
		}
	})
	return r
}

// shortDir is a folder for the test; the path of a socket must be short.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// end waits for the client and checks what is so after every run: no process of it
// is left, and no file that the result does not name.
func (r *running) end() Result {
	r.t.Helper()
	wait(r.t, "the client", r.done)
	messages, _, _ := r.collector.snapshot()
	for _, m := range messages {
		if pid := int(m.GetProcess().GetPid()); m.GetStart() != nil && pid != os.Getpid() {
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				r.t.Errorf("process %d is left: %v", pid, err)
			}
		}
	}
	var left []string
	work, _ := filepath.Glob(filepath.Join(r.cfg.WorkDir, "*", "*"))
	loads, _ := filepath.Glob(filepath.Join(r.cfg.Consumers[0].Path, "*", "*", "*"))
	for _, path := range append(work, loads...) {
		if path != r.result.SpoolPath && len(r.result.LoadPaths) == 0 {
			left = append(left, path)
		}
	}
	folders, _ := os.ReadDir(r.cfg.WorkDir)
	if len(left) > 0 || r.result.SpoolPath == "" && len(folders) > 0 {
		r.t.Errorf("left behind: %v, %v", left, folders)
	}
	return r.result
}

// until waits for a message for which found is true.
func (r *running) until(what string, found func(*bulkheadv1.Message) bool) *bulkheadv1.Message {
	r.t.Helper()
	for deadline := time.After(patienceInTests); ; {
		messages, _, _ := r.collector.snapshot()
		for _, m := range messages {
			if found(m) {
				return m
			}
		}
		select {
		case <-r.collector.arrived:
		case <-r.done:
			r.t.Fatalf("the client ended (%+v, %v) before %s", r.result, r.err, what)
		case <-deadline:
			r.t.Fatalf("waited %s for %s", patienceInTests, what)
		}
	}
}

// consumerPid waits until a consumer is at work.
func (r *running) consumerPid(index uint32) int {
	r.t.Helper()
	m := r.until("a consumer at work", func(m *bulkheadv1.Message) bool {
		p := m.GetProcess()
		return m.GetProgress().GetBytes() > 0 && p.GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER && p.GetIndex() == index
	})
	return int(m.GetProcess().GetPid())
}

func (r *running) kill(pid int, signal syscall.Signal) {
	r.t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		r.t.Fatal(err)
	}
}

// stop is the last message.
func (r *running) stop() *bulkheadv1.Stop {
	r.t.Helper()
	messages, _, _ := r.collector.snapshot()
	if len(messages) == 0 || messages[len(messages)-1].GetStop() == nil {
		r.t.Fatalf("the last of %d messages is not a Stop", len(messages))
	}
	return messages[len(messages)-1].GetStop()
}

// missed waits until a heartbeat says why the process did not answer. Others may
// miss a round, too, on a busy machine.
func (r *running) missed(pid int, reason string) {
	r.t.Helper()
	r.until(fmt.Sprintf("a heartbeat without process %d: %s", pid, reason), func(m *bulkheadv1.Message) bool {
		for _, miss := range m.GetHeartbeat().GetMisses() {
			if miss.GetProcess().GetPid() == int32(pid) && miss.GetReason() == reason {
				return true
			}
		}
		return false
	})
}

func TestRunDeliversAWholeLoad(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), func(c *Config) { c.Runtime = 1500 * time.Millisecond })
	result := r.end()
	if r.err != nil || result.Verdict != VerdictComplete || result.ExitCode() != 0 || !result.Delivered || !result.Closed {
		t.Fatalf("Run = %+v, %v; want complete", result, r.err)
	}
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_RUNTIME || len(stop.Exits) != 3 {
		t.Errorf("stop = %v; want the runtime and three exits", stop)
	}
	for i, exit := range r.stop().Exits {
		want := []bulkheadv1.ProcessKind{bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR}[i]
		if exit.Process.Kind != want || exit.Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
			t.Errorf("exit %d = %v; want a clean one of %s", i, exit, want)
		}
	}
	var starts, beats, answers, samples int
	var bytes, files uint64
	messages, _, goodbye := r.collector.snapshot()
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
		t.Errorf("%d starts, %d heartbeat answers, %d samples, %d files, %d bytes, goodbye %v", starts, answers, samples, files, bytes, goodbye)
	}
	if result.Bytes != bytes || result.Files != files || result.Messages != uint64(len(messages)) {
		t.Errorf("result = %+v; want %d bytes, %d files, %d messages", result, bytes, files, len(messages))
	}
}

func TestRunNamesAKilledConsumer(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), nil)
	pid := r.consumerPid(1)
	r.kill(pid, syscall.SIGKILL)
	r.missed(pid, "process is gone (killed by signal 9 (SIGKILL))")
	r.log.await(t, fmt.Sprintf("consumer 1 (pid %d) is lost in mid-run: killed by signal 9 (SIGKILL)", pid))
	r.signals <- syscall.SIGTERM
	result := r.end()
	if r.err != nil || result.ExitCode() != 3 || len(result.CrashedWorkers) != 1 || !strings.Contains(result.CrashedWorkers[0], "consumer 1 (pid ") {
		t.Errorf("Run = %+v, %v; want partial for consumer 1", result, r.err)
	}
	stop := r.stop()
	if stop.Reason != bulkheadv1.StopReason_STOP_REASON_INTERRUPTED || stop.Exits[0].Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN ||
		stop.Exits[1].Class != bulkheadv1.ExitClass_EXIT_CLASS_CRASH || stop.Exits[1].Signal != 9 || stop.Exits[1].Process.Pid != int32(pid) {
		t.Errorf("stop = %v; want consumer 1 killed and consumer 0 clean", stop)
	}
}

func TestRunEndsWhenNoConsumerIsLeft(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), nil)
	for i := range uint32(2) {
		r.kill(r.consumerPid(i), syscall.SIGKILL)
	}
	result := r.end()
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_FAILED || stop.Detail != "no consumer is left" || result.ExitCode() != 3 {
		t.Errorf("Run = %+v, stop %v; want failed", result, stop)
	}
}

func TestRunGoesOnWithoutItsMonitor(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), nil)
	monitor := r.until("the monitor", func(m *bulkheadv1.Message) bool {
		return m.GetStart() != nil && m.GetProcess().GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR
	})
	r.consumerPid(0)
	pid := int(monitor.GetProcess().GetPid())
	r.kill(pid, syscall.SIGKILL)
	r.missed(pid, "process is gone (killed by signal 9 (SIGKILL))")
	r.signals <- syscall.SIGINT
	result := r.end()
	if exits := r.stop().Exits; result.ExitCode() != 3 || exits[0].Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN || exits[2].Class != bulkheadv1.ExitClass_EXIT_CLASS_CRASH {
		t.Errorf("Run = %+v, exits %v; want only the monitor crashed", result, exits)
	}
}

func TestStuckConsumerIsKilledInTime(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), func(c *Config) { c.KillTimeout = 500 * time.Millisecond })
	pid := r.consumerPid(0)
	r.kill(pid, syscall.SIGSTOP)
	r.missed(pid, "no answer in 200ms")
	r.signals <- syscall.SIGINT
	result := r.end()
	if exits := r.stop().Exits; result.ExitCode() != 3 || exits[0].Class != bulkheadv1.ExitClass_EXIT_CLASS_KILLED || exits[1].Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
		t.Errorf("Run = %+v, exits %v; want consumer 0 killed and consumer 1 clean", result, exits)
	}
}

func TestSecondInterruptLeavesNoProcess(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), func(c *Config) { c.KillTimeout = time.Hour })
	r.kill(r.consumerPid(0), syscall.SIGSTOP) // an orderly end would take an hour
	r.signals <- syscall.SIGINT
	r.signals <- syscall.SIGINT
	result := r.end()
	if r.err != nil || result.ExitCode() != 3 || len(result.Problems) == 0 {
		t.Errorf("Run = %+v, %v; want partial", result, r.err)
	}
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_INTERRUPTED || stop.Detail != errAborted.Error() {
		t.Errorf("stop = %v", stop)
	}
}

func TestRunSurvivesLostConnections(t *testing.T) {
	r := startClient(t, startCollector(t, breakAfter(2, true, cut), breakAfter(3, false, cut), breakAfter(2, true, unavailable), orderly), nil)
	r.until("files after the breaks", func(m *bulkheadv1.Message) bool {
		_, connections, _ := r.collector.snapshot()
		return connections == 4 && m.GetHeartbeat().GetRound() > 4
	})
	r.signals <- syscall.SIGINT
	if result := r.end(); result.ExitCode() != 0 {
		t.Errorf("Run = %+v; want complete", result)
	}
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_INTERRUPTED {
		t.Errorf("stop = %v", stop)
	}
}

func TestUndeliveredMessagesAreKept(t *testing.T) {
	c := startCollector(t, breakAfter(3, true, unavailable), refuse(codes.Unavailable, "the journal is away"))
	r := startClient(t, c, func(cfg *Config) { cfg.Runtime, cfg.DeliverTimeout = time.Second, time.Second })
	result := r.end()
	if result.ExitCode() != 3 || result.Delivered || result.SpoolPath == "" || result.Undelivered == 0 {
		t.Fatalf("Run = %+v; want undelivered messages", result)
	}
	var last *bulkheadv1.Message
	summary, err := ReadSpool(result.SpoolPath, func(m *bulkheadv1.Message) error {
		last = m
		return nil
	})
	messages, _, _ := c.snapshot()
	if err != nil || summary.Torn != "" || uint64(summary.Messages) != result.Undelivered || summary.ClientID != result.ClientID ||
		summary.FirstSeq > uint64(len(messages))+1 || last.GetStop() == nil {
		t.Errorf("spool = %+v, %v, ends with %v; want the %d undelivered and the Stop", summary, err, last, result.Undelivered)
	}
}

func TestRunDrainsWhenAsked(t *testing.T) {
	c := startCollector(t, func(c *collector, stream serverStream) error {
		if err := c.welcome(stream); err != nil {
			return err
		}
		return c.receive(stream, func(n int, last uint64) error {
			if n == 3 {
				drain := &bulkheadv1.Drain{Reason: "maintenance", WithinNano: int64(time.Minute)}
				if err := stream.Send(&bulkheadv1.ServerFrame{Frame: &bulkheadv1.ServerFrame_Drain{Drain: drain}}); err != nil {
					return err
				}
			}
			return stream.Send(ackFrame(last))
		})
	})
	r := startClient(t, c, nil)
	result := r.end()
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_DRAINED || stop.Detail != "maintenance" || result.ExitCode() != 0 {
		t.Errorf("Run = %+v, stop %v; want drained and complete", result, stop)
	}
}

func TestRunEndsWhenTheSupervisorRefusesInMidRun(t *testing.T) {
	r := startClient(t, startCollector(t, breakAfter(3, true, unavailable), refuse(codes.FailedPrecondition, "the session is over")), nil)
	result := r.end()
	if r.err != nil || result.ExitCode() != 3 || result.Reason != bulkheadv1.StopReason_STOP_REASON_FAILED || !strings.Contains(result.Detail, "the session is over") || result.SpoolPath == "" {
		t.Errorf("Run = %+v, %v; want partial, with the refusal", result, r.err)
	}
}

func TestPreflightFailureIsToldInOrder(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), func(c *Config) { c.Consumers[1].FileSize = 1 << 60 })
	result := r.end()
	if !errors.Is(r.err, ErrConfig) || result.ExitCode() != 2 || !result.Closed {
		t.Fatalf("Run = %+v, %v; want unworkable", result, r.err)
	}
	messages, _, goodbye := r.collector.snapshot()
	if stop := r.stop(); len(messages) != 1 || goodbye == nil || stop.Reason != bulkheadv1.StopReason_STOP_REASON_FAILED || stop.Detail != r.err.Error() {
		t.Errorf("messages %v, goodbye %v; want only the Stop with %q", messages, goodbye, r.err)
	}
}

func TestFullSpoolEndsTheLoad(t *testing.T) {
	hold := make(chan struct{})
	c := startCollector(t, func(c *collector, stream serverStream) error {
		if err := c.welcome(stream); err != nil {
			return err
		}
		return c.receive(stream, func(_ int, last uint64) error {
			<-hold
			return stream.Send(ackFrame(last))
		})
	})
	r := startClient(t, c, func(cfg *Config) { cfg.SpoolMemory, cfg.SpoolMaxSize = 1000, 2000 })
	r.log.await(t, "messages have no room")
	close(hold)
	result := r.end()
	if stop := r.stop(); stop.Reason != bulkheadv1.StopReason_STOP_REASON_FAILED || !strings.Contains(stop.Detail, "spool is full") || result.Dropped == 0 || result.ExitCode() != 3 {
		t.Errorf("Run = %+v, stop %v; want failed by a full spool", result, stop)
	}
}

func TestKeptLoadFilesStay(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), func(c *Config) { c.Keep = true })
	for i := range uint32(2) {
		r.until("a file", func(m *bulkheadv1.Message) bool {
			return m.GetRollover() != nil && m.GetProcess().GetIndex() == i
		})
	}
	r.signals <- syscall.SIGINT
	result := r.end()
	if len(result.LoadPaths) != 2 || result.ExitCode() != 0 {
		t.Fatalf("Run = %+v; want two folders kept", result)
	}
	for _, folder := range result.LoadPaths {
		if files, err := os.ReadDir(folder); err != nil || len(files) == 0 {
			t.Errorf("kept in %s: %v, %v", folder, files, err)
		}
	}
}

func TestWorkersThatCannotStart(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), func(c *Config) { c.Executable = "/bin/false" })
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
	c := newCollector(t, closedAddress(t))
	r := startClient(t, c, nil)
	r.log.await(t, "trying again")
	r.signals <- syscall.SIGINT
	if result := r.end(); r.err == nil || result.ExitCode() != 1 {
		t.Errorf("Run = %+v, %v; want failed", result, r.err)
	}
}

func TestRunRejectsABadConfiguration(t *testing.T) {
	result, err := Run(context.Background(), Config{}, nil)
	if !errors.Is(err, ErrConfig) || result.ExitCode() != 2 {
		t.Errorf("Run = %+v, %v; want unworkable", result, err)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cfg := Config{Supervisor: closedAddress(t), Consumers: []Consumer{small(t.TempDir())}, WorkDir: shortDir(t)}
	if result, err := Run(ctx, cfg, nil); !errors.Is(err, context.Canceled) || result.ExitCode() != 1 {
		t.Errorf("Run = %+v, %v; want cancelled", result, err)
	}
}
