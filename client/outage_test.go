package client

import (
	"bulkhead/client/spec"
	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/scripted"
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"bulkhead/client/names"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A supervisor that is away costs nothing: the load continues, messages go to the
// spool, and everything arrives when it is back.
func TestLoadGoesOnWithoutASupervisor(t *testing.T) {
	before := scripted.Start(t, scripted.Orderly)
	r := startClient(t, before, func(c *spec.Config) {
		c.SpoolMemory, c.SpoolMaxSize, c.ProgressInterval = 2000, 1<<20, 50*time.Millisecond
	})
	r.consumerPid(0)
	before.Server.Stop()
	scripted.Eventually(t, "messages in the spool", func() bool {
		paths, _ := filepath.Glob(filepath.Join(r.cfg.WorkDir, "*", names.Spool))
		if len(paths) != 1 {
			return false
		}
		info, err := os.Stat(paths[0])
		return err == nil && info.Size() > 20_000
	})
	r.log.Await(t, "lost (connection refused); trying again")
	known, _, _ := before.Snapshot()

	listener, err := net.Listen("tcp", before.Address)
	if err != nil {
		t.Fatal(err)
	}
	after := scripted.New(t, before.Address, scripted.Orderly)
	after.Messages = known
	r.collector = after
	after.Listen(listener)
	r.until("what was said meanwhile, and more", func(m *bulkheadv1.Message) bool {
		return m.GetSeq() > uint64(len(known))+200
	})
	after.Mu.Lock()
	hello := after.Hellos[0]
	after.Mu.Unlock()
	if hello.GetAbsence() != bulkheadv1.Absence_ABSENCE_NETWORK ||
		!strings.Contains(hello.GetLastEnd(), " tries without a welcome, the last: connection refused") {
		t.Errorf("hello: %v, %q", hello.GetAbsence(), hello.GetLastEnd())
	}
	r.signals <- syscall.SIGINT
	if result := r.end(); result.Verdict != VerdictInterrupted || result.Dropped != 0 || result.SpoolPath != "" {
		t.Errorf("Run = %+v; want interrupted", result)
	}
}

// A supervisor that knows nothing of the run does not end the load: it continues as a
// session of its own, which has every message that the first one has not.
func TestSupervisorThatLostItsState(t *testing.T) {
	before := scripted.Start(t, scripted.Orderly)
	r := startClient(t, before, func(c *spec.Config) { c.SpoolMemory, c.SpoolMaxSize = 2000, 1<<20 })
	r.consumerPid(0)
	before.Server.Stop()
	known, _, _ := before.Snapshot()
	listener, err := net.Listen("tcp", before.Address)
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan *bulkheadv1.Hello, 1)
	after := scripted.New(t, before.Address, func(c *scripted.Collector, stream scripted.ServerStream) error {
		hello := stream.(scripted.GreetedStream).Hello
		select {
		case refused <- hello:
			return scripted.UnknownRun("run-2")
		default:
			return scripted.Orderly(c, stream)
		}
	})
	after.Listen(listener)
	r.collector = after
	r.until("much of the load", func(m *bulkheadv1.Message) bool { return m.GetSeq() > 200 })
	r.signals <- syscall.SIGINT
	result := r.end()
	first, named := before.Hellos[0], <-refused
	second := after.Hellos[1]
	acked := second.GetContinues().GetAfter() // what was durable, but for those whose ack was cut off
	if acked == 0 || acked > uint64(len(known)) {
		t.Errorf("the second session begins after %d of %d messages", acked, len(known))
	}
	id := protocol.RestID(first.GetClientId(), "run-2", acked)
	continues := &bulkheadv1.Continuation{RunId: "run-1", ClientId: first.GetClientId(), After: acked, Before: acked}
	switch {
	case first.GetRunId() != "" || first.GetLastConnection() != 0 || first.SentSeq == nil || first.GetSentSeq() != 0 ||
		len(first.GetInstance()) == 0:
		t.Errorf("the first Hello: %v", first)
	case named.GetRunId() != "run-1" || named.GetLastConnection() != 1 || named.GetSentSeq() < acked ||
		named.Continues != nil || !bytes.Equal(named.GetInstance(), first.GetInstance()):
		t.Errorf("the Hello to the second supervisor: %v", named)
	case second.GetRunId() != "" || !bytes.Equal(second.GetClientId(), id[:]) || second.GetLastConnection() != 0 ||
		second.GetSentSeq() != 0 || !proto.Equal(second.GetContinues(), continues):
		t.Errorf("the Hello of the second session: %v; want client %x and %v", second, id, continues)
	}
	messages, _, goodbye := after.Snapshot()
	if all := acked + uint64(len(messages)); goodbye.GetLastSeq() != uint64(len(messages)) || result.Messages != all ||
		result.Undelivered != 0 {
		t.Errorf("%d and %d messages, goodbye %v, Run = %+v; want every message once", len(known), len(messages),
			goodbye, result)
	}
	if text := strings.Join(result.Problems, "\n"); result.ExitCode() != 3 ||
		!strings.Contains(text, "run run-1, which the supervisor no longer knows, has the first ") ||
		!strings.HasPrefix(result.Interruption, "interrupted after ") {
		t.Errorf("Run = %+v", result)
	}
}

// What is in quarantine must not be sent again: the load ends, and nothing advises
// to deliver the spool.
func TestQuarantineEndsTheLoad(t *testing.T) {
	c := scripted.Start(t, scripted.BreakAfter(3, true, scripted.Unavailable),
		scripted.Refuse(codes.DataLoss, "message 9 killed 3 handlers"))
	r := startClient(t, c, nil)
	scripted.Wait(t, "the client", r.done)
	text := strings.Join(r.result.Problems, "\n")
	if r.err != nil || r.result.ExitCode() != 3 || r.result.SpoolPath == "" || r.result.ResendCommand != "" ||
		!strings.Contains(text, "in quarantine and takes no more of it: message 9 killed 3 handlers") {
		t.Errorf("Run = %+v, %v; want quarantined", r.result, r.err)
	}
	for _, line := range r.result.CrashedWorkers {
		t.Errorf("not ended in order: %s", line)
	}
}

// A stopped monitor is missed, the consumers continue, and it is killed at the end.
func TestStoppedMonitorIsMissed(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly),
		func(c *spec.Config) { c.KillTimeout = 500 * time.Millisecond })
	monitor := r.until("the monitor", func(m *bulkheadv1.Message) bool {
		return m.GetStart() != nil && m.GetProcess().GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR
	})
	pid := int(monitor.GetProcess().GetPid())
	r.kill(pid, syscall.SIGSTOP)
	r.missed(pid, "no answer in ")
	messages, _, _ := r.collector.Snapshot()
	r.until("work of a consumer", func(m *bulkheadv1.Message) bool {
		return m.GetSeq() > uint64(len(messages)) && m.GetProgress().GetBytes() > 0
	})
	r.signals <- syscall.SIGINT
	r.end()
	exits := r.stop().GetExits()
	if exits[0].Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN ||
		exits[1].Class != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN ||
		exits[2].Class != bulkheadv1.ExitClass_EXIT_CLASS_KILLED ||
		exits[2].Cause != "did not end in time and was killed" {
		t.Errorf("exits = %v; want only the monitor killed", exits)
	}
}
