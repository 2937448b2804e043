package client

import (
	"path/filepath"
	"syscall"
	"testing"

	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A consumer that is killed while its readers read is a crash like any other: the other one goes on,
// and nothing stays of the files that were read.
func TestAConsumerIsKilledWhileItReads(t *testing.T) {
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		for i := range c.Consumers {
			c.Consumers[i].Readers = 2
			c.Consumers[i].Read = workload.Read{Size: 4096, Pattern: bulkheadv1.Pattern_PATTERN_RANDOM, Verify: true}
		}
	})
	pid := r.consumerPid(0)
	r.until("reads", func(m *bulkheadv1.Message) bool {
		return m.GetProcess().GetIndex() == 0 && m.GetProgress().GetReads() > 0
	})
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	said, _, _ := r.collector.Snapshot()
	r.until("reads of the other", func(m *bulkheadv1.Message) bool {
		return m.GetSeq() > uint64(len(said)) && m.GetProcess().GetIndex() == 1 && m.GetProgress().GetReads() > 0
	})
	r.signals <- syscall.SIGINT
	scripted.Wait(t, "the client", r.done)
	exits := r.stop().GetExits()
	if exits[0].GetSignal() != int32(syscall.SIGKILL) || exits[1].GetClass() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
		t.Errorf("exits = %v; want consumer 0 killed and consumer 1 clean", exits)
	}
	if r.result.CorruptBlocks > 0 {
		t.Errorf("%d corrupt blocks: %s", r.result.CorruptBlocks, r.result.FirstCorruption)
	}
	if left, err := filepath.Glob(filepath.Join(r.cfg.Consumers[0].Path, "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
