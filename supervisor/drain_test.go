package supervisor_test

import (
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
)

// wantDrain takes the client's next frame, which must be a Drain.
func wantDrain(t *testing.T, c *rawclient.Client, reason string, within time.Duration) {
	t.Helper()
	f, err := c.Recv()
	must(t, err)
	// what is left of it
	if d := f.GetDrain(); d.GetReason() != reason || d.GetWithinNano() <= 0 || d.GetWithinNano() > int64(within) {
		t.Fatalf("got %v; want a Drain: %q within %s", f, reason, within)
	}
}

func TestDrainEndsTheRunInOrder(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	c := s.greet(rawclient.Hello("alpha"), 0)
	s.deliver(c, 1, 3)
	s.interrupts <- syscall.SIGTERM
	wantDrain(t, c, "the supervisor received terminated", patience)
	if st := s.status(); st.GetState() != "draining" {
		t.Errorf("state %q; want draining", st.GetState())
	}
	s.deliver(c, 4, 6)
	s.closeInOrder(c, 6)
	rep := s.wait()
	wantClient(t, rep, "alpha", "closed", "said goodbye")
	if !rep.Complete() || s.result.Verdict != report.WordComplete || rep.Run.End != "drained" ||
		rep.Run.EndDetail != "the supervisor received terminated" {
		t.Errorf("verdict %+v, end %q (%s); want complete and drained", rep.Verdict, rep.Run.End, rep.Run.EndDetail)
	}
}

func TestDrainTakesNoNewClients(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	c := s.greet(rawclient.Hello("alpha"), 0)
	s.interrupts <- syscall.SIGTERM
	wantDrain(t, c, "the supervisor received terminated", patience)
	_, err := s.dial().Greet(rawclient.Hello("beta"))
	wantStatus(t, err, codes.FailedPrecondition, "the run is ending; it takes no new clients")
	s.closeInOrder(c, 0)
	rep := s.wait()
	wantClient(t, rep, "alpha", "closed", "said goodbye")
	if rep.Complete() || len(rep.Clients) != 1 || len(rep.Rejections) != 1 || rep.Rejections[0].ClientName != "beta" ||
		rep.Rejections[0].Code != "RUN_ENDING" {
		t.Errorf("verdict %+v, %d clients, rejections %+v; want alpha alone, and beta's", rep.Verdict, len(rep.Clients),
			rep.Rejections)
	}
}

func TestDrainThroughTheControlSocket(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count = 2 })
	c := s.greet(rawclient.Hello("alpha"), 0)
	ctl := s.control()
	res, err := ctl.Drain(t.Context(), &bulkheadv1.DrainRequest{})
	must(t, err)
	if res.GetSessions() != 1 {
		t.Errorf("%d sessions are to drain; want 1", res.GetSessions())
	}
	wantDrain(t, c, "an operator asked for a drain", patience)
	_, err = ctl.Drain(t.Context(), &bulkheadv1.DrainRequest{Reason: "again"}) // changes nothing
	must(t, err)
	s.closeInOrder(c, 0)
	rep := s.wait()
	wantClient(t, rep, "alpha", "closed", "")
	if rep.Complete() || rep.Run.EndDetail != "an operator asked for a drain" {
		t.Errorf("verdict %+v, end %q; want partial, because a client never came", rep.Verdict, rep.Run.EndDetail)
	}
}

// A client that was away when the drain began is told when it returns.
func TestDrainReachesAClientThatComesBack(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	hello := rawclient.Hello("alpha")
	c := s.greet(hello, 0)
	s.deliver(c, 1, 3)
	must(t, c.Close())
	s.log.await(t, "client is away")
	s.interrupts <- syscall.SIGINT
	s.log.await(t, "draining", "open_sessions", "1")
	c = s.greet(hello, 3)
	wantDrain(t, c, "the supervisor received interrupt", patience)
	s.closeInOrder(c, 3)
	if rep := s.wait(); !rep.Complete() {
		t.Errorf("verdict %+v; want complete", rep.Verdict)
	}
}

// What is left of the drain time is less for a client that is told again.
func TestDrainTimeRunsOnThroughAReconnect(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	hello := rawclient.Hello("alpha")
	c := s.greet(hello, 0)
	s.deliver(c, 1, 3)
	s.interrupts <- syscall.SIGTERM
	told := func() time.Duration {
		t.Helper()
		f, err := c.Recv()
		must(t, err)
		if f.GetDrain() == nil {
			t.Fatalf("got %v; want a Drain", f)
		}
		return time.Duration(f.GetDrain().GetWithinNano())
	}
	before := told()
	heard := time.Now()
	must(t, c.Close())
	s.log.await(t, "client is away")
	back := time.Now()
	c = s.greet(hello, 3)
	if after, away := told(), back.Sub(heard); after > before-away {
		t.Errorf("told %s, and %s later %s", before, away, after)
	}
	s.closeInOrder(c, 3)
	s.wait()
}

func TestDrainHasADeadline(t *testing.T) {
	t.Parallel()
	const within = 100 * time.Millisecond
	s := start(t, func(c *supervisor.Config) { c.DrainTimeout = within })
	c := s.greet(rawclient.Hello("alpha"), 0)
	s.deliver(c, 1, 3)
	s.interrupts <- syscall.SIGTERM
	wantDrain(t, c, "the supervisor received terminated", within)
	wantStatus(t, c.End(), codes.FailedPrecondition, "still open at the end of the drain time")
	rep := s.wait()
	wantClient(t, rep, "alpha", "lost", "still open at the end of the drain time")
	if rep.Complete() || s.result.Verdict == report.WordComplete || s.durable(1) != 3 {
		t.Errorf("verdict %+v with %d messages; want partial with 3", rep.Verdict, s.durable(1))
	}
}

func TestSecondSignalEndsTheRunAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	c := s.greet(rawclient.Hello("alpha"), 0)
	s.deliver(c, 1, 3)
	s.interrupts <- syscall.SIGINT
	wantDrain(t, c, "the supervisor received interrupt", patience)
	s.interrupts <- syscall.SIGINT
	wantStatus(t, c.End(), codes.FailedPrecondition, "interrupted a second time")
	rep := s.wait()
	wantClient(t, rep, "alpha", "lost", "interrupted a second time")
	if s.result.Verdict == report.WordComplete {
		t.Error("the run counts as complete; want partial")
	}
}

// A client that holds its connection without a word cannot hold the end up.
func TestAStreamWithoutAHelloDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	silent := s.dial()
	s.serveWhole("alpha")
	if err := silent.End(); err == nil {
		t.Error("the silent client's stream ended in order")
	}
	if rep := s.wait(); !rep.Complete() || len(rep.Rejections) != 1 || rep.Rejections[0].Reason != "the run is over" {
		t.Errorf("verdict %+v, rejections %+v; want complete with one of the end", rep.Verdict, rep.Rejections)
	}
}
