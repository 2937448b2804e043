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

	"bulkhead/client/spec"
	"bulkhead/internal/config/value"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// running is a client under test.
type running struct {
	t         *testing.T
	collector *scripted.Collector
	cfg       spec.Config
	log       *scripted.LogLines
	signals   chan os.Signal
	done      chan struct{}
	result    Result
	err       error
}

// startClient runs a client with two consumers until the test ends. change adapts
// its configuration.
func startClient(t *testing.T, c *scripted.Collector, change func(*spec.Config)) *running {
	t.Helper()
	r := &running{t: t, collector: c, log: new(scripted.LogLines), signals: make(chan os.Signal, 2),
		done: make(chan struct{})}
	load := t.TempDir()
	r.cfg = patientConfig(t, c)
	r.cfg.ProgressInterval, r.cfg.Logger = 100*time.Millisecond, slog.New(slog.NewTextHandler(r.log, nil))
	for range 2 {
		r.cfg.Consumers = append(r.cfg.Consumers, scripted.Load(load, 64<<10, 1<<20, 1))
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

// end waits for the client and checks what is so after every run: no process of it
// is left, and no file that the result does not name.
func (r *running) end() Result {
	r.t.Helper()
	scripted.Wait(r.t, "the client", r.done)
	messages, _, _ := r.collector.Snapshot()
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
	for deadline := time.After(scripted.PatienceInTests); ; {
		messages, _, _ := r.collector.Snapshot()
		for _, m := range messages {
			if found(m) {
				return m
			}
		}
		select {
		case <-r.collector.Arrived:
		case <-r.done:
			r.t.Fatalf("the client ended (%+v, %v) before %s", r.result, r.err, what)
		case <-deadline:
			r.t.Fatalf("waited %s for %s", scripted.PatienceInTests, what)
		}
	}
}

// consumerPid waits until a consumer is at work.
func (r *running) consumerPid(index uint32) int {
	r.t.Helper()
	m := r.until("a consumer at work", func(m *bulkheadv1.Message) bool {
		p := m.GetProcess()
		return m.GetProgress().GetBytes() > 0 && p.GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER &&
			p.GetIndex() == index
	})
	return int(m.GetProcess().GetPid())
}

func (r *running) kill(pid int, signal syscall.Signal) {
	r.t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		r.t.Fatal(err)
	}
}

// stop returns the last message.
func (r *running) stop() *bulkheadv1.Stop {
	r.t.Helper()
	messages, _, _ := r.collector.Snapshot()
	if len(messages) == 0 || messages[len(messages)-1].GetStop() == nil {
		r.t.Fatalf("the last of %d messages is not a Stop", len(messages))
	}
	return messages[len(messages)-1].GetStop()
}

// missed waits until a heartbeat says why the process did not answer, in words that begin so. Others may
// miss a round, too, on a busy machine.
func (r *running) missed(pid int, reason string) {
	r.t.Helper()
	r.until(fmt.Sprintf("a heartbeat without process %d: %s", pid, reason), func(m *bulkheadv1.Message) bool {
		for _, miss := range m.GetHeartbeat().GetMisses() {
			if miss.GetProcess().GetPid() == int32(pid) && strings.HasPrefix(miss.GetReason(), reason) &&
				miss.GetGone() == strings.HasPrefix(reason, goneReason) {
				return true
			}
		}
		return false
	})
}

// patientConfig returns the configuration of a client of c that lasts for an hour and reports often.
func patientConfig(t *testing.T, c *scripted.Collector) spec.Config {
	t.Helper()
	cfg := scripted.Config()
	cfg.Supervisor, cfg.Runtime, cfg.WorkDir = value.Addresses{c.Address}, time.Hour, scripted.ShortDir(t)
	cfg.ConnectTimeout, cfg.KillTimeout, cfg.DeliverTimeout = scripted.PatienceInTests, scripted.PatienceInTests,
		scripted.PatienceInTests
	cfg.HeartbeatInterval, cfg.HeartbeatTimeout, cfg.MonitorInterval = 200*time.Millisecond, 200*time.Millisecond,
		200*time.Millisecond
	return cfg
}
