package supervisor_test

import (
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/status"

	"bulkhead/internal/reason"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
)

// wantReason checks what a program reads in the error of a stream.
func wantReason(t *testing.T, err error, want bulkheadv1.Reason) map[string]string {
	t.Helper()
	got, about := reason.Of(status.Convert(err))
	if got != want {
		t.Errorf("the reason of %v is %v; want %v", err, got, want)
	}
	return about
}

// Whoever is refused is told why in a word that a program can act on, by the supervisor
// through the handler and by the handler alone.
func TestARefusalCarriesItsReason(t *testing.T) {
	t.Parallel()
	const token = "open sesame"
	s := start(t, func(c *supervisor.Config) {
		c.Token, c.Clients.Count, c.Session.Grace = token, 3, 50*time.Millisecond
		c.Overload.MaxClients = 1
	})
	hello := func(name, token string) *bulkheadv1.Hello {
		h := rawclient.Hello(name)
		h.Token = token
		return h
	}
	refused := func(h *bulkheadv1.Hello) error {
		_, err := s.dial().Greet(h)
		return err
	}
	wantReason(t, refused(hello("mallory", "")), bulkheadv1.Reason_REASON_TOKEN_MISSING)
	wantReason(t, refused(hello("mallory", "guess")), bulkheadv1.Reason_REASON_TOKEN_WRONG)
	old := hello("old", token)
	old.ProtocolVersion = 99
	wantReason(t, refused(old), bulkheadv1.Reason_REASON_VERSION_UNKNOWN)

	lost := hello("lost", token)
	c := s.greet(lost, 0)
	wantReason(t, refused(hello("too many", token)), bulkheadv1.Reason_REASON_OVERLOADED)
	s.deliver(c, 1, 4)
	must(t, c.Close())
	s.log.await(t, "session ended", "client", "lost", "outcome", "lost")
	about := wantReason(t, refused(lost), bulkheadv1.Reason_REASON_SESSION_LOST)
	if about[reason.After] != "4" || about[reason.Run] == "" || about[reason.Outcome] != "lost" {
		t.Errorf("the reason comes with %v; want where the session ended", about)
	}

	bad := hello("bad", token)
	c = s.greet(bad, 0)
	must(t, c.SendBatch(5, 6))
	wantReason(t, c.End(), bulkheadv1.Reason_REASON_SEQUENCE_BROKEN)
	s.log.await(t, "session ended", "client", "bad", "outcome", "rejected")
	wantReason(t, refused(bad), bulkheadv1.Reason_REASON_SESSION_REJECTED)

	open := s.greet(hello("open", token), 0)
	s.log.await(t, "client joined", "client", "open")
	s.interrupts <- syscall.SIGTERM
	if _, err := open.Recv(); err != nil {
		t.Fatal(err)
	}
	wantReason(t, refused(hello("late", token)), bulkheadv1.Reason_REASON_RUN_ENDING)
	s.closeInOrder(open, 0)
	s.wait()
}
