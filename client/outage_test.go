package client

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A supervisor that is away costs nothing: the load goes on, messages go to the
// spool, and everything arrives when it is back.
func TestLoadGoesOnWithoutASupervisor(t *testing.T) {
	before := startCollector(t, orderly)
	r := startClient(t, before, func(c *Config) {
		c.SpoolMemory, c.SpoolMaxSize, c.ProgressInterval = 2000, 1<<20, 50*time.Millisecond
	})
	r.consumerPid(0)
	before.server.Stop()
	eventually(t, "messages in the spool", func() bool {
		paths, _ := filepath.Glob(filepath.Join(r.cfg.WorkDir, "*", spoolName))
		if len(paths) != 1 {
			return false
		}
		info, err := os.Stat(paths[0])
		return err == nil && info.Size() > 20_000
	})
	r.log.await(t, "lost (connection refused); trying again")
	known, _, _ := before.snapshot()

	listener, err := net.Listen("tcp", before.address)
	if err != nil {
		t.Fatal(err)
	}
	after := newCollector(t, before.address, orderly)
	after.messages = known
	r.collector = after
	after.listen(listener)
	r.until("what was said meanwhile, and more", func(m *bulkheadv1.Message) bool {
		return m.GetSeq() > uint64(len(known))+200
	})
	after.mu.Lock()
	hello := after.hellos[0]
	after.mu.Unlock()
	if hello.GetAbsence() != bulkheadv1.Absence_ABSENCE_NETWORK || !strings.Contains(hello.GetLastEnd(), " tries without a welcome, the last: connection refused") {
		t.Errorf("hello: %v, %q", hello.GetAbsence(), hello.GetLastEnd())
	}
	r.signals <- syscall.SIGINT
	if result := r.end(); result.Verdict != VerdictInterrupted || result.Dropped != 0 || result.SpoolPath != "" {
		t.Errorf("Run = %+v; want interrupted", result)
	}
}

// A supervisor without its journal cannot go on with the session; the messages are
// kept for one that can.
func TestSupervisorThatLostItsState(t *testing.T) {
	before := startCollector(t, orderly)
	r := startClient(t, before, nil)
	r.consumerPid(0)
	before.server.Stop()
	listener, err := net.Listen("tcp", before.address)
	if err != nil {
		t.Fatal(err)
	}
	after := newCollector(t, before.address, orderly)
	after.listen(listener)
	wait(t, "the client", r.done)
	text := strings.Join(r.result.Problems, "\n")
	if r.result.ExitCode() != 3 || !strings.Contains(text, "the supervisor does not know messages 1 to ") || !strings.Contains(text, "they are kept in "+r.result.SpoolPath) ||
		r.result.ResendCommand != "bulkhead client resend --supervisor "+before.address+" "+r.result.SpoolPath {
		t.Errorf("Run = %+v; want the spool and how to deliver it", r.result)
	}
}

// What is in quarantine must not be sent again: the load ends, and nothing advises
// to deliver the spool.
func TestQuarantineEndsTheLoad(t *testing.T) {
	c := startCollector(t, breakAfter(3, true, unavailable), refuse(codes.DataLoss, "message 9 killed 3 handlers"))
	r := startClient(t, c, nil)
	wait(t, "the client", r.done)
	text := strings.Join(r.result.Problems, "\n")
	if r.err != nil || r.result.ExitCode() != 3 || r.result.SpoolPath == "" || r.result.ResendCommand != "" ||
		!strings.Contains(text, "in quarantine and takes no more of it: message 9 killed 3 handlers") {
		t.Errorf("Run = %+v, %v; want quarantined", r.result, r.err)
	}
	for _, line := range r.result.CrashedWorkers {
		t.Errorf("not ended in order: %s", line)
	}
}

// A stopped monitor is missed, the consumers go on, and it is killed at the end.
func TestStoppedMonitorIsMissed(t *testing.T) {
	r := startClient(t, startCollector(t, orderly), func(c *Config) { c.KillTimeout = 500 * time.Millisecond })
	monitor := r.until("the monitor", func(m *bulkheadv1.Message) bool {
		return m.GetStart() != nil && m.GetProcess().GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR
	})
	pid := int(monitor.GetProcess().GetPid())
	r.kill(pid, syscall.SIGSTOP)
	r.missed(pid, "no answer in ")
	messages, _, _ := r.collector.snapshot()
	r.until("work of a consumer", func(m *bulkheadv1.Message) bool {
		return m.GetSeq() > uint64(len(messages)) && m.GetProgress().GetBytes() > 0
	})
	r.signals <- syscall.SIGINT
	r.end()
	exits := r.stop().GetExits()
	if exits[0].Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN || exits[1].Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN ||
		exits[2].Class != bulkheadv1.ExitClass_EXIT_CLASS_KILLED || exits[2].Cause != "did not end in time and was killed" {
		t.Errorf("exits = %v; want only the monitor killed", exits)
	}
}
