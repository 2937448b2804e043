package supervisor_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
)

// drainAlone asks for the end of the clients of a name.
func (r *running) drainAlone(name, reason string, sessions uint32) {
	r.t.Helper()
	res, err := r.control().DrainClient(r.t.Context(), &bulkheadv1.DrainClientRequest{Name: name, Reason: reason})
	must(r.t, err)
	if res.GetSessions() != sessions {
		r.t.Errorf("%d sessions of %s are to drain; want %d", res.GetSessions(), name, sessions)
	}
}

// One client is drained, and the others, who come later too, are not.
func TestOneClientIsDrainedAlone(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count = 3 })
	a, b := s.greet(rawclient.Hello("alpha"), 0), s.greet(rawclient.Hello("beta"), 0)
	s.deliver(a, 1, 3)
	s.deliver(b, 1, 1)
	_, err := s.control().DrainClient(t.Context(), &bulkheadv1.DrainClientRequest{Name: "gamma"})
	wantStatus(t, err, codes.NotFound, "no client gamma is in the run now")
	s.drainAlone("alpha", "its disk is failing", 1)
	wantDrain(t, a, "its disk is failing", patience)
	s.drainAlone("alpha", "again", 1) // changes nothing
	if st := s.status(); st.GetRunState() == bulkheadv1.RunState_RUN_STATE_DRAINING {
		t.Error("the run is draining")
	}
	s.deliver(a, 4, 4)
	s.closeInOrder(a, 4) // which takes no other frame before the end
	s.deliver(b, 2, 3)
	s.closeInOrder(b, 3)
	s.serveWhole("gamma")
	rep := s.wait()
	alpha := wantClient(t, rep, "alpha", "closed", "said goodbye")
	if alpha.DrainReason != "its disk is failing" || alpha.DrainedAt == 0 {
		t.Errorf("alpha was drained at %v: %q", alpha.DrainedAt, alpha.DrainReason)
	}
	if beta := wantClient(t, rep, "beta", "closed", "said goodbye"); beta.DrainedAt != 0 || rep.Run.DrainedAt != 0 ||
		rep.Run.End != report.EndDone {
		t.Errorf("beta %v, the run %v, %s; want no drain of them", beta.DrainedAt, rep.Run.DrainedAt, rep.Run.End)
	}
}

// A client that does not end is lost when its time is over, and the run continues.
func TestADrainOfOneClientHasADeadline(t *testing.T) {
	t.Parallel()
	const within = 100 * time.Millisecond
	s := start(t, func(c *supervisor.Config) { c.Clients.Count, c.DrainTimeout = 2, within })
	a, b := s.greet(rawclient.Hello("alpha"), 0), s.greet(rawclient.Hello("beta"), 0)
	s.deliver(a, 1, 3)
	s.drainAlone("alpha", "", 1)
	wantDrain(t, a, "an operator asked for the end of this client", within)
	err := a.End()
	wantStatus(t, err, codes.FailedPrecondition, "still open at the end of the drain time")
	wantReason(t, err, bulkheadv1.Reason_REASON_SESSION_LOST) // after which no client begins anew
	s.deliver(b, 1, 1)
	s.closeInOrder(b, 1)
	rep := s.wait()
	wantClient(t, rep, "alpha", "lost", "still open at the end of the drain time")
	wantClient(t, rep, "beta", "closed", "said goodbye")
	if s.durable(1) != 3 {
		t.Errorf("%d messages are durable; want 3", s.durable(1))
	}
}

// A drain of the run gives a client that is drained alone no more time than it had.
func TestADrainOfTheRunBehindThatOfOneClient(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.DrainTimeout = patience })
	a := s.greet(rawclient.Hello("alpha"), 0)
	s.deliver(a, 1, 3)
	s.drainAlone("alpha", "its disk is failing", 1)
	asked := time.Now()
	wantDrain(t, a, "its disk is failing", patience)
	for time.Since(asked) < 50*time.Millisecond {
		s.status()
	}
	left := patience - time.Since(asked)
	_, err := s.control().Drain(t.Context(), &bulkheadv1.DrainRequest{Reason: "all of them"})
	must(t, err)
	wantDrain(t, a, "all of them", left)
	s.closeInOrder(a, 3)
	wantClient(t, s.wait(), "alpha", "closed", "said goodbye")
}

// A client that was away is told when it comes back, also by the supervisor after this one.
func TestADrainOfOneClientOutlivesTheSupervisor(t *testing.T) {
	t.Parallel()
	hello := rawclient.Hello("alpha")
	state, _ := leftRun(t, hello, &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDrained{
		SessionDrained: &bulkheadv1.SessionDrained{Session: 1, Reason: "enough", WithinNano: int64(patience)}}})
	s := start(t, func(c *supervisor.Config) { c.StateDir = state })
	s.log.await(t, "run resumed")
	c := s.greet(hello, 5)
	wantDrain(t, c, "enough", patience)
	s.drainAlone("alpha", "again", 1) // changes nothing
	s.closeInOrder(c, 5)
	if got := wantClient(t, s.wait(), "alpha", "closed", ""); got.DrainReason != "enough" {
		t.Errorf("drained for %q", got.DrainReason)
	}
}

// What is left of its time goes on through a restart, and ends the session whose client stays away.
func TestADeadlineOfOneClientOutlivesTheSupervisor(t *testing.T) {
	t.Parallel()
	state, _ := leftRun(t, rawclient.Hello("alpha"), &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionDrained{
		SessionDrained: &bulkheadv1.SessionDrained{Session: 1, WithinNano: 1}}})
	s := start(t, func(c *supervisor.Config) { c.StateDir = state })
	wantClient(t, s.wait(), "alpha", "lost", "still open at the end of the drain time")
}
