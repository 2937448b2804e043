package supervisor_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor"
	"bulkhead/supervisor/journal"
)

// TestAFullDiskEndsTheRun fills the disk under a running supervisor. The run ends
// with that error, and whatever a client was told is durable can be read.
func TestAFullDiskEndsTheRun(t *testing.T) {
	mount := smallFileSystem(t, "size=1m")
	s := start(t, func(c *supervisor.Config) {
		c.StateDir = filepath.Join(mount, "state")
		c.Clients.Count = 2
	})
	alpha, beta := s.greet(rawclient.Hello("alpha"), 0), s.greet(rawclient.Hello("beta"), 0)
	s.deliver(beta, 1, 3)
	var acked uint64
	var err error
	for err == nil {
		if err = alpha.SendBatch(acked+1, acked+500); err == nil {
			err = alpha.AwaitAck(acked + 500)
		}
		if err == nil {
			acked += 500
		}
	}
	if acked == 0 {
		t.Errorf("nothing was acknowledged before the disk was full: %v", err)
	}
	if beta.End() == nil {
		t.Error("the other client was told that all is well")
	}
	if err := s.ended(); !errors.Is(err, journal.ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the supervisor ended with %v; want ErrFailed and ENOSPC", err)
	}
	if s.result.Runs != 0 {
		t.Errorf("result = %+v; want no run that counts", s.result)
	}
	s.check()
	for _, rec := range s.records() {
		if rec.GetRunEnded() != nil {
			t.Error("the journal says that the run ended")
		}
	}
	last := map[string]uint64{}
	for _, rec := range s.records() {
		if o := rec.GetSessionOpened(); o != nil {
			last[o.GetHello().GetName()] = s.durable(o.GetSession())
		}
	}
	if last["alpha"] < acked || last["beta"] < 3 {
		t.Errorf("the journal ends at %v; alpha was told %d, beta 3", last, acked)
	}
}
