package supervisor_test

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
)

// TestASessionOutlivesItsHandler kills the handler of one client of two. The
// client resumes with another handler where it was durable, what it sends twice is
// in the journal once, and the other client notices nothing.
func TestASessionOutlivesItsHandler(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count = 2 })
	hello := rawclient.Hello("alpha")
	alpha, beta := s.greet(hello, 0), s.greet(rawclient.Hello("beta"), 0)
	all := rawclient.Batch(1, 12)
	deliver := func(last uint64) {
		must(t,
			alpha.Send(&bulkheadv1.ClientFrame{
				Frame: &bulkheadv1.ClientFrame_Batch{Batch: &bulkheadv1.Batch{Messages: all.Messages[:last]}}}))
		must(t, alpha.AwaitAck(last))
	}
	deliver(10)
	s.deliver(beta, 1, 1)
	first := s.session("alpha").GetHandlerPid()
	s.killHandler("alpha")
	wantStatus(t, alpha.End(), codes.Unavailable, "")
	s.log.await(t, "client is away", "client", "alpha")

	alpha = s.greet(hello, 10)
	s.log.await(t, "client is back", "client", "alpha")
	if st := s.session("alpha"); st.GetHandlerPid() == first || st.GetHandlerPid() == 0 || st.GetResumes() != 1 {
		t.Errorf("status %v; want another handler than %d, and one resume", st, first)
	}
	deliver(12) // more than is new
	s.deliver(beta, 2, 2)
	s.closeInOrder(alpha, 12)
	s.closeInOrder(beta, 2)
	rep := s.wait()
	if got := wantClient(t, rep, "alpha", "closed", "said goodbye"); got.Messages != 12 || got.Resumes != 1 {
		t.Errorf("alpha: %d messages, %d resumes; want 12 and 1", got.Messages, got.Resumes)
	}
	if got := wantClient(t, rep, "beta", "closed", "said goodbye"); got.Resumes != 0 || len(got.Connections) != 1 {
		t.Errorf("beta was disturbed: %+v", got.Connections)
	}
	if causes := s.detached(1); !slices.Equal(causes, []string{"handler killed by signal 9 (SIGKILL)"}) {
		t.Errorf("alpha lost its connections by %q; want the kill", causes)
	}
	if !rep.Complete() {
		t.Errorf("verdict %+v; want complete", rep.Verdict)
	}
	died := 0
	for _, h := range rep.Handlers {
		if h.Pid == first && h.Session == 1 && h.Exit != nil && h.Exit.Signal == 9 {
			died++
		}
	}
	if died != 1 {
		t.Errorf("the report has %d handlers %d that were killed; want 1", died, first)
	}
}

// A handler may die before its session is in the journal, which must then still
// name the session first. Hello and death are as close as can be, many times.
func TestAHandlerThatDiesAtOnceIsJournalledInOrder(t *testing.T) {
	t.Parallel()
	const clients = 10
	s := start(t, func(c *supervisor.Config) { c.Clients.Count = clients })
	for i := range clients {
		hello := rawclient.Hello("client " + string(rune('a'+i)))
		c := s.greet(hello, 0)
		s.killHandler(hello.GetName())
		wantStatus(t, c.End(), codes.Unavailable, "")
		s.closeInOrder(s.greet(hello, 0), 0)
	}
	if rep := s.wait(); !rep.Complete() || len(rep.Clients) != clients {
		t.Errorf("verdict %+v of %d clients; want complete of %d", rep.Verdict, len(rep.Clients), clients)
	}
}

// TestAClientThatConnectsAgainReplacesItself connects while the old connection is
// still up: the old one is let go.
func TestAClientThatConnectsAgainReplacesItself(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	hello := rawclient.Hello("alpha")
	old := s.greet(hello, 0)
	s.deliver(old, 1, 5)
	c := s.greet(hello, 5)
	wantStatus(t, old.End(), codes.Unavailable, "")
	s.deliver(c, 6, 6)
	s.closeInOrder(c, 6)
	rep := s.wait()
	if got := wantClient(t, rep, "alpha", "closed", "said goodbye"); got.Messages != 6 || got.Resumes != 1 {
		t.Errorf("%d messages, %d resumes; want 6 and 1", got.Messages, got.Resumes)
	}
	if causes := s.detached(1); !slices.Equal(causes, []string{"the client connected again"}) {
		t.Errorf("the old connection ended by %q", causes)
	}
}

func TestAClientThatStaysAwayIsLost(t *testing.T) {
	t.Parallel()
	const grace = 50 * time.Millisecond
	s := start(t, func(c *supervisor.Config) { c.Session.Grace = grace; c.Clients.Count = 2 })
	hello := rawclient.Hello("alpha")
	c := s.greet(hello, 0)
	s.deliver(c, 1, 4)
	must(t, c.Close())
	s.log.await(t, "session ended", "client", "alpha", "outcome", "lost")
	for range 2 { // the answer is the same each time
		_, err := s.dial().Greet(hello)
		wantStatus(t, err, codes.FailedPrecondition,
			"this session is over: lost after message 4 of run "+filepath.Base(s.dir)+" (no connection for ")
	}
	if st := s.session("alpha"); st.GetState() != "lost" || !strings.HasPrefix(st.GetCause(), "no connection for ") ||
		!strings.Contains(st.GetCause(), "; session.grace is 50ms; the last one ended: ") {
		t.Errorf("status %v; want lost and why", st)
	}
	s.serveWhole("beta")
	rep := s.wait()
	if got := wantClient(t, rep, "alpha", "lost", "session.grace is 50ms"); got.Messages != 4 {
		t.Errorf("%d messages of the lost client are in the report; want 4", got.Messages)
	}
	wantClient(t, rep, "beta", "closed", "")
	if rep.Complete() || s.result.Verdict == report.WordComplete {
		t.Error("the run counts as complete; want partial")
	}
	if causes := s.detached(1); len(causes) != 1 || causes[0] == "" {
		t.Errorf("the connection ended by %q; want one cause", causes)
	}
}

// A client whose Goodbye was taken but not answered connects again, and is told
// again that all is well.
func TestGoodbyeMayBeRepeated(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count = 2 })
	hello := rawclient.Hello("alpha")
	c := s.greet(hello, 0)
	s.deliver(c, 1, 3)
	must(t, c.Goodbye(3))
	s.log.await(t, "session ended", "client", "alpha", "outcome", "closed")
	must(t, c.Close()) // as if the answer had been lost
	s.closeInOrder(s.greet(hello, 3), 3)
	if st := s.session("alpha"); st.GetState() != "closed" || st.GetCause() != "said goodbye" {
		t.Errorf("status %v; want closed by its goodbye", st)
	}
	s.serveWhole("beta")
	rep := s.wait()
	wantClient(t, rep, "alpha", "closed", "said goodbye")
	if !rep.Complete() {
		t.Errorf("verdict %+v; want complete", rep.Verdict)
	}
}

// A client that breaks the protocol is rejected for good, with what it delivered.
func TestAClientThatBreaksTheProtocolIsRejected(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count = 2 })
	hello := rawclient.Hello("alpha")
	c := s.greet(hello, 0)
	s.deliver(c, 1, 3)
	must(t, c.SendBatch(5, 6))
	const why = "sequence gap: message 5 came where 4 was expected"
	wantStatus(t, c.End(), codes.InvalidArgument, why)
	s.log.await(t, "session ended", "client", "alpha", "outcome", "rejected")
	_, err := s.dial().Greet(hello)
	wantStatus(t, err, codes.FailedPrecondition,
		"this session is over: rejected after message 3 of run "+filepath.Base(s.dir)+" ("+why+")")
	s.serveWhole("beta")
	rep := s.wait()
	if got := wantClient(t, rep, "alpha", "rejected", why); got.Messages != 3 {
		t.Errorf("%d messages of the rejected client are in the report; want 3", got.Messages)
	}
	wantClient(t, rep, "beta", "closed", "")
}

func TestStatusFollowsTheRun(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Version = "v0.0.1-test"; c.Clients.Count = 2 })
	st := s.status()
	if st.GetState() != "waiting" || st.GetListen() != s.addr || st.GetRunDir() != s.dir ||
		st.GetVersion() != "v0.0.1-test" ||
		st.GetExpectedClients() != 2 || st.GetPid() == 0 || st.GetStartedUnixNano() == 0 ||
		st.GetNowUnixNano() < st.GetStartedUnixNano() {
		t.Errorf("status %v; want a run that waits for two clients", st)
	}
	alpha := s.greet(rawclient.Hello("alpha"), 0)
	s.deliver(alpha, 1, 3)
	beta := s.greet(rawclient.Hello("beta"), 0)
	s.log.await(t, "client joined", "client", "beta")
	if st := s.status(); st.GetState() != "running" || st.GetJoinedClients() != 2 || st.GetAcceptedConnections() != 2 ||
		st.GetHandlersBusy() != 2 {
		t.Errorf("status %v; want a run with two clients", st)
	}
	one := rawclient.Message(1).GetProgress()
	ses := s.session("alpha")
	if ses.GetState() != "active" || ses.GetSessionId() != "s1" || ses.GetHost() != "localhost" ||
		ses.GetDurableSeq() != 3 ||
		ses.GetBytes() != 3*one.GetBytes() || ses.GetChunks() != 3*one.GetChunks() || ses.GetErrors() != 0 ||
		ses.GetLastMessageUnixNano() == 0 || !strings.HasPrefix(ses.GetPeer(), "127.0.0.1:") {
		t.Errorf("session %v; want alpha at work", ses)
	}
	if ses := s.session("beta"); ses.GetLastMessageUnixNano() != 0 ||
		ses.GetHandlerPid() == s.session("alpha").GetHandlerPid() {
		t.Errorf("session %v; want beta with a handler of its own and no message", ses)
	}
	must(t, alpha.Close())
	s.log.await(t, "client is away", "client", "alpha")
	if ses := s.session("alpha"); ses.GetState() != "away" || ses.GetCause() == "" || ses.GetHandlerPid() != 0 {
		t.Errorf("session %v; want alpha away, and why", ses)
	}
	ctl := s.control()
	must(t, beta.Close())
	s.interrupts <- syscall.SIGTERM
	s.interrupts <- syscall.SIGTERM
	s.wait()
	if _, err := ctl.Status(t.Context(), &bulkheadv1.StatusRequest{}); err == nil {
		t.Error("the control socket answers after the end")
	}
}
