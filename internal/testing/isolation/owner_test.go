package isolation_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/reason"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/internal/tokens"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// keys writes a file of tokens for clients, and returns it and their secrets.
func keys(t *testing.T, names ...string) (file string, secrets map[string]string) {
	t.Helper()
	var text bytes.Buffer
	secrets = make(map[string]string)
	for _, name := range names {
		one, err := tokens.New(name)
		expect.NoError(t, err)
		secrets[name] = one.Secret()
		text.WriteString(one.Line() + "\n")
	}
	file = filepath.Join(t.TempDir(), "tokens")
	expect.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
	return file, secrets
}

// withToken returns a Hello of the same client with a token.
func withToken(h *bulkheadv1.Hello, token string) *bulkheadv1.Hello {
	return &bulkheadv1.Hello{ProtocolVersion: h.GetProtocolVersion(), ClientId: h.GetClientId(), Name: h.GetName(),
		Host: h.GetHost(), Workload: h.GetWorkload(), Token: token}
}

// refused checks that a client was told no, and why, in words that have text.
func refused(t *testing.T, err error, code codes.Code, why bulkheadv1.Reason, text string) {
	t.Helper()
	st := status.Convert(err)
	if got, _ := reason.Of(st); st.Code() != code || got != why || !strings.Contains(st.Message(), text) {
		t.Errorf("got %v (%v): %s; want %v (%v): %s", st.Code(), got, st.Message(), code, why, text)
	}
}

// A session that began when nothing was asked for goes on after tokens were switched on: for who has its
// client id and a token of its own, and from then on for nobody else, through another death of the
// supervisor.
func TestASessionIsItsClientsOnceThatHasAToken(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	file, secret := keys(t, "alpha", "bravo")
	s := startCommand(t, command(state))
	hello := rawclient.Hello("alpha")
	leave := func(c *rawclient.Client) {
		t.Helper()
		expect.NoError(t, c.Close())
		s.await("alpha", "away")
	}
	comes := func(token string) (*rawclient.Client, *bulkheadv1.Welcome, error) {
		t.Helper()
		c := s.dial()
		w, err := c.Greet(withToken(hello, token))
		return c, w, err
	}
	c, _, err := comes("")
	expect.NoError(t, err)
	expect.NoError(t, c.SendBatch(1, 3))
	expect.NoError(t, c.AwaitAck(3))
	s.Kill()

	s = startCommand(t, command(state, "--tokens", file))
	s.await("alpha", "active")
	leave(c)
	_, _, err = comes("")
	refused(t, err, codes.Unauthenticated, bulkheadv1.Reason_REASON_TOKEN_MISSING, "a token is required")
	_, _, err = comes(secret["bravo"])
	refused(t, err, codes.PermissionDenied, bulkheadv1.Reason_REASON_IDENTITY_WRONG, `with the token of "alpha"`)
	c, w, err := comes(secret["alpha"])
	expect.NoError(t, err)
	if w.GetResumeAfter() != 3 {
		t.Errorf("it goes on after message %d; want 3", w.GetResumeAfter())
	}
	expect.NoError(t, c.SendBatch(4, 5))
	expect.NoError(t, c.AwaitAck(5))
	s.Kill()

	cmd := command(state, "--tokens", file)
	cmd.Env = append(os.Environ(), "BULKHEAD_TOKEN=of all")
	s = startCommand(t, cmd)
	s.await("alpha", "active")
	leave(c)
	_, _, err = comes("of all")
	refused(t, err, codes.PermissionDenied, bulkheadv1.Reason_REASON_IDENTITY_WRONG,
		`session 1 is that of the client with the token of "alpha"`)
	c, _, err = comes(secret["alpha"])
	expect.NoError(t, err)
	goodbye(t, c, 5)
	rep := s.finish(exitComplete) // one of that name was let in
	if got := rep.Clients[0]; len(rep.Clients) != 1 || got.Identity == nil || got.Identity.Name != "alpha" ||
		got.Messages != 5 {
		t.Errorf("the report has %+v, who is %+v", got, got.Identity)
	}
}

// Who has a client's name without a proof loses it when that client comes: sessions under it end
// rejected, whether their clients are there or away, and say whose name it is. Others notice nothing.
func TestTheOwnerOfANameGetsIt(t *testing.T) {
	t.Parallel()
	file, secret := keys(t, "alpha")
	text, err := os.ReadFile(file)
	expect.NoError(t, err)
	put(t, file, nil)
	cmd := command(newStateDir(t), "--tokens", file, "--clients", "2")
	cmd.Env = append(os.Environ(), "BULKHEAD_TOKEN=of all")
	s := startCommand(t, cmd)
	begin := func(name string) (*bulkheadv1.Hello, *rawclient.Client) {
		t.Helper()
		hello, c := withToken(rawclient.Hello(name), "of all"), s.dial()
		greet(t, c, hello)
		expect.NoError(t, c.SendBatch(1, 3))
		expect.NoError(t, c.AwaitAck(3))
		return hello, c
	}
	gone, c := begin("alpha")
	expect.NoError(t, c.Close())
	s.await("alpha", "away")
	_, there := begin("alpha")
	_, other := begin("bravo")

	put(t, file, text)
	_, err = s.Await(patience, func(l harness.LogLine) bool {
		return l.Text("msg") == "certificates and tokens were read again"
	})
	expect.NoError(t, err)
	owner := s.dial()
	greet(t, owner, withToken(rawclient.Hello("alpha"), secret["alpha"]))
	const why = `the name "alpha" is that of the client with the token of "alpha", which has come`
	refused(t, there.End(), codes.FailedPrecondition, bulkheadv1.Reason_REASON_SESSION_REJECTED, why)
	_, err = s.dial().Greet(gone)
	refused(t, err, codes.FailedPrecondition, bulkheadv1.Reason_REASON_SESSION_REJECTED, why)
	_, err = s.dial().Greet(withToken(rawclient.Hello("alpha"), "of all"))
	refused(t, err, codes.PermissionDenied, bulkheadv1.Reason_REASON_IDENTITY_WRONG, `the name "alpha" is that of`)
	say(t, owner)
	goodbye(t, other, 3)
	rep := s.finish(exitPartial)
	outcomes := ""
	for _, c := range rep.Clients {
		outcomes += c.Name + " " + string(c.Outcome) + " "
		if c.Outcome == "rejected" && (!strings.Contains(c.Cause, why) || c.Messages != 3) {
			t.Errorf("session %d has %d messages and ended like this: %s", c.Session, c.Messages, c.Cause)
		}
	}
	if want := "alpha rejected alpha rejected bravo closed alpha closed "; outcomes != want {
		t.Errorf("the sessions ended like this: %s; want %s", outcomes, want)
	}
}
