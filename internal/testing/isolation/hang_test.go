package isolation_test

import (
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"

	"bulkhead/internal/testing/harness/expect"
)

// fault returns a batch that makes a handler of the faulty programs fail: message seq, whose
// path names the action.
func fault(seq uint64, action string) *bulkheadv1.ClientFrame {
	return batchFrame(&bulkheadv1.Batch{Messages: []*bulkheadv1.Message{{
		Seq: seq, TimeUnixNano: int64(seq),
		Process: &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Pid: 1},
		Fact:    &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{Path: "/FAULT:" + action}},
	}}})
}

// A handler that hangs is found and killed, whatever it hangs in, and its client goes
// on through another; the client beside it does not notice.
func TestHungHandlerIsReplaced(t *testing.T) {
	t.Parallel()
	programs, err := faulty()
	expect.NoError(t, err)
	for _, tt := range []struct {
		how string
		do  func(c *rawclient.Client, handler int) error
	}{
		{"stopped", func(_ *rawclient.Client, handler int) error { return syscall.Kill(handler, syscall.SIGSTOP) }},
		{"spinning", func(c *rawclient.Client, _ int) error { return c.Send(fault(4, "spin")) }},
		{"deadlocked", func(c *rawclient.Client, _ int) error { return c.Send(fault(4, "deadlock")) }},
	} {
		t.Run(tt.how, func(t *testing.T) {
			t.Parallel()
			s := startCommand(t, commandFrom(programs, newStateDir(t), "--clients", "2", "--handler-hang-timeout",
				"1500ms"))
			by := bystander(t, s, rawclient.Hello("bystander"))
			c, hello := s.dial(), rawclient.Hello("victim")
			greet(t, c, hello)
			expect.NoError(t, c.SendBatch(1, 3))
			expect.NoError(t, c.AwaitAck(3))
			pid := int(s.session("victim").GetHandlerPid())
			expect.NoError(t, tt.do(c, pid))
			if err := c.End(); err == nil {
				t.Error("the stream of the hung handler ended in order")
			}
			s.await("victim", "away")
			again := s.dial()
			if w := greet(t, again, hello); w.GetResumeAfter() != 3 {
				t.Errorf("the client may resume after %d; want 3", w.GetResumeAfter())
			}
			expect.NoError(t, again.SendBatch(4, 6))
			expect.NoError(t, again.AwaitAck(6))
			goodbye(t, again, 6)
			by.goesOn(t)
			sent := by.finish(t)
			rep := s.finish(exitComplete)
			journalled(t, s, map[*load]uint64{by: sent})
			unharmed(t, rep, by, sent)
			h := expect.Handler(t, rep, pid)
			if h.Exit == nil || h.Exit.Class != report.ExitHang || !strings.HasPrefix(h.Exit.Cause, "hung: ") {
				t.Errorf("handler %d: %+v; want hung", pid, h.Exit)
			}
			if cause := expect.Client(t, rep, "victim").Connections[0].DetachCause; !strings.HasPrefix(cause,
				"handler hung: ") {
				t.Errorf("the connection was lost because of %q; want the hang", cause)
			}
		})
	}
}
