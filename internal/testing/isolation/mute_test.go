package isolation_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/boottime"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// muteHello returns the Hello of a client that declares heartbeats.
func muteHello(name string) *bulkheadv1.Hello {
	h := rawclient.Hello(name)
	h.Workload = &bulkheadv1.Workload{HeartbeatIntervalNano: int64(time.Second), RuntimeNano: int64(time.Hour)}
	return h
}

// A client whose control loop hangs, while its library answers the pings of HTTP/2, is noticed
// by the messages that are missing: in the status, in the log, and in the report with its begin
// and its length. Its session continues. Another that was quiet only because the supervisor was
// stopped is not blamed, and the stop is told.
func TestClientThatSaysNothingIsNoticed(t *testing.T) {
	t.Parallel()
	s := start(t, "--clients", "2", "--session-client-timeout", "4s", "--handler-hang-timeout", "4s")
	talks, mute := s.dial(), s.dial()
	greet(t, talks, muteHello("talks"))
	expect.NoError(t, talks.SendBatch(1, 1))
	expect.NoError(t, talks.AwaitAck(1))

	// The supervisor itself is stopped for a while: that is what it is to measure.
	before := boottime.Now()
	freezeAll(t, s.Pid())
	stopped := boottime.Now()
	<-time.After(5 * time.Second)
	continues := boottime.Now()
	expect.NoError(t, s.Signal(syscall.SIGCONT))
	_, err := s.Await(patience, func(l harness.LogLine) bool {
		return strings.HasPrefix(l.Text("msg"), "the supervisor itself did not run")
	})
	expect.NoError(t, err)
	after := boottime.Now()

	greet(t, mute, muteHello("mute"))
	outer := boottime.Now()
	expect.NoError(t, mute.SendBatch(1, 3))
	expect.NoError(t, mute.AwaitAck(3))
	var silent time.Duration
	seq := uint64(1)
	expect.Eventually(t, func() error {
		seq++
		expect.NoError(t, talks.SendBatch(seq, seq))
		expect.NoError(t, talks.AwaitAck(seq))
		if silent = time.Duration(s.session("mute").GetSilentNano()); silent == 0 {
			return errors.New("the silence is not in the status")
		}
		return nil
	})
	if st := s.session("mute"); st.GetState() != "active" || silent < 12*time.Second {
		t.Errorf("silent for %v in the status, state %s", silent, st.GetState())
	}
	expect.NoError(t, mute.SendBatch(4, 4))
	expect.NoError(t, mute.AwaitAck(4))
	outerEnd := boottime.Now()
	if left := s.session("mute").GetSilentNano(); left != 0 {
		t.Errorf("silent for %v although it spoke", time.Duration(left))
	}
	goodbye(t, mute, 4)
	goodbye(t, talks, seq)
	rep := s.finish(exitComplete)

	c := expect.Client(t, rep, "mute")
	if len(c.MessageGaps) != 1 || c.Outcome != report.OutcomeClosed {
		t.Fatalf("gaps %+v, outcome %s", c.MessageGaps, c.Outcome)
	}
	if g := c.MessageGaps[0]; g.LengthNano > outerEnd-outer || g.LengthNano < int64(silent) || g.EndAt == 0 {
		t.Errorf("silent for %v; it was between %v and %v", time.Duration(g.LengthNano), silent,
			time.Duration(outerEnd-outer))
	}
	if other := expect.Client(t, rep, "talks"); len(other.MessageGaps) != 0 {
		t.Errorf("the other is blamed: %+v", other.MessageGaps)
	}
	if len(rep.Run.Pauses) == 0 {
		t.Fatal("the stop of the supervisor is not told")
	}
	if p := rep.Run.Pauses[0].LengthNano; p > after-before || p < continues-stopped-int64(200*time.Millisecond) {
		t.Errorf("paused for %v; it was between %v and %v", time.Duration(p), time.Duration(continues-stopped),
			time.Duration(after-before))
	}
	kinds := ""
	for _, f := range rep.Findings {
		kinds += f.Kind + ":" + f.Client + " "
	}
	for _, want := range []string{report.FindingSilent + ":mute ", report.FindingPaused + ": "} {
		if !strings.Contains(kinds, want) {
			t.Errorf("findings %q lack %q", kinds, want)
		}
	}
	for _, line := range []string{"client says nothing, though its connection lives", "client says something again"} {
		if !strings.Contains(s.Log(), line) {
			t.Errorf("the log lacks %q", line)
		}
	}
}
