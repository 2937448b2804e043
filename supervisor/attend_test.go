package supervisor_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/config/value"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor"
	"bulkhead/supervisor/report"
)

// Two clients with one name at the same time are both let in; they count once, and the run
// continues until another comes.
func TestTwoClientsWithOneName(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count = 2 })
	one, two := rawclient.Hello("localhost"), rawclient.Hello("localhost")
	one.Host, two.Host = "rack-1", "rack-2"
	a, b := s.greet(one, 0), s.greet(two, 0)
	const note = "a name counts once, and session 1 on another machine (rack-1) has the same and is at work; give " +
		"each machine a name of its own"
	if st := s.status(); st.GetJoinedClients() != 1 || st.GetSessions()[0].GetNote() != "" ||
		st.GetSessions()[1].GetNote() != note {
		t.Errorf("%d joined, sessions %v; want one, and of the second %q", st.GetJoinedClients(), st.GetSessions(),
			note)
	}
	s.log.await(t, "a client does not count among those that are expected", "reason", note)
	s.closeInOrder(a, 0)
	s.closeInOrder(b, 0)
	s.log.await(t, "every session has ended; the run waits for the clients that have not come", "clients", "1 of 2")
	if st := s.status(); st.GetState() != "waiting" {
		t.Errorf("state %q; want waiting", st.GetState())
	}
	s.serveWhole("alpha")
	rep := s.wait()
	if rep.Verdict.Word != report.WordComplete || rep.Run.JoinedClients != 2 || len(rep.Findings) == 0 ||
		rep.Findings[0].Kind != report.FindingNameTwice {
		t.Errorf("%s, %d joined, findings %+v; want complete with two, and a finding of the name", rep.Verdict.Word,
			rep.Run.JoinedClients, rep.Findings)
	}
}

// Where names are awaited nobody else completes the run, nor takes their places.
func TestClientsThatAreAwaitedByName(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) {
		c.Clients, c.Overload.MaxClients = value.Clients{Count: 2, Names: []string{"alpha", "beta"}}, 3
	})
	x := s.greet(rawclient.Hello("x"), 0)
	_, err := s.dial().Greet(rawclient.Hello("y")) // the two places that are left are theirs
	wantStatus(t, err, codes.Unavailable, "the supervisor serves max_clients=3 clients already; retry after 5s")
	alpha := s.greet(rawclient.Hello("alpha"), 0)
	st := s.status()
	if got := strings.Join(st.GetAbsentNames(), " "); got != "beta" || !st.GetExpectsNames() ||
		st.GetExpectedClients() != 2 || st.GetJoinedClients() != 1 {
		t.Errorf("absent %q, by name %t, %d of %d; want beta, 1 of 2", got, st.GetExpectsNames(), st.GetJoinedClients(),
			st.GetExpectedClients())
	}
	s.closeInOrder(x, 0)
	s.closeInOrder(alpha, 0)
	s.log.await(t, "every session has ended; the run waits for the clients that have not come", "waiting_for", "beta")
	s.serveWhole("beta")
	if rep := s.wait(); rep.Verdict.Word != report.WordComplete || rep.Run.JoinedClients != 2 ||
		len(rep.Clients) != 3 || len(rep.Run.AbsentNames) != 0 {
		t.Errorf("%+v, %d joined, %d clients, absent %q; want complete with 2 of 3", rep.Verdict, rep.Run.JoinedClients,
			len(rep.Clients), rep.Run.AbsentNames)
	}
}

// Messages that are delivered later for a client that died count as the client; what has no
// message counts as nobody.
func TestResentMessagesCountOnce(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Clients.Count = 2 })
	s.serveWhole("alpha")
	empty := rawclient.Hello("beta")
	empty.Resent = true
	s.closeInOrder(s.greet(empty, 0), 0)
	if n := s.status().GetJoinedClients(); n != 1 {
		t.Errorf("%d joined with what is empty; want 1", n)
	}
	late := rawclient.Hello("beta")
	late.Resent = true
	c := s.greet(late, 0)
	s.deliver(c, 1, 3)
	s.closeInOrder(c, 3)
	if rep := s.wait(); rep.Run.JoinedClients != 2 {
		t.Errorf("%d joined; want 2", rep.Run.JoinedClients)
	}
}

// One wrong token, and then the right one, is a client that came.
func TestAWrongTokenThenTheRightOne(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *supervisor.Config) { c.Token = "right" })
	hello := rawclient.Hello("alpha")
	hello.Token = "wrong"
	_, err := s.dial().Greet(hello)
	wantStatus(t, err, codes.Unauthenticated, "wrong token")
	hello.Token = "right"
	c := s.greet(hello, 0)
	s.deliver(c, 1, 3)
	s.closeInOrder(c, 3)
	rep := s.wait()
	if !rep.Complete() || !strings.Contains(strings.Join(rep.Verdict.Warnings, "\n"),
		"a client called alpha was rejected: wrong token; one of that name was let in") {
		t.Errorf("%+v; want complete, with a word about the token", rep.Verdict)
	}
}
