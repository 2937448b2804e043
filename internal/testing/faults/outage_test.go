package faults_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// isAway reports whether a session has no connection.
func isAway(s *bulkheadv1.SessionStatus) bool { return s.GetState() == "away" }

// The grace time of a client that is away continues through an upgrade, and the sentence
// says how long it really was without a connection.
func TestGraceGoesOnThroughAnUpgrade(t *testing.T) {
	t.Parallel()
	const grace = 6 * time.Second
	w := newWorld(t, settings{clients: 1, grace: grace})
	c := w.client("a", w.Addr)
	w.session("a", serving)
	killed := time.Now()
	expect.NoError(t, c.Signal(syscall.SIGKILL))
	w.session("a", isAway)
	known := time.Now()
	half := time.NewTimer(grace / 2) // of the grace, for the upgrade to come in the middle of it
	<-half.C
	said, err := w.upgrade()
	if err != nil {
		t.Fatalf("upgrade: %v: %s", err, said)
	}
	rep := w.finish(exitPartial)
	most, least := time.Since(killed), time.Since(known)

	one := expect.Client(t, rep, "a")
	if len(rep.Run.Restarts) != 1 {
		t.Fatalf("%d restarts; want the upgrade", len(rep.Run.Restarts))
	}
	if anew := time.Duration(one.EndedAt - rep.Run.Restarts[0].At); anew >= grace {
		t.Errorf("lost %s after the upgrade: the grace time of %s began anew (%s)", anew, grace, one.Cause)
	}
	last := one.Connections[len(one.Connections)-1]
	if away := time.Duration(last.AwayNano); away < grace || away > most || least < grace {
		t.Errorf("the report says that it was away for %s; it was at least %s and at most %s", away, grace, most)
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(one.Cause, "no connection for "), ";")
	told, err := time.ParseDuration(text)
	if err != nil || told < grace-100*time.Millisecond || told > most+100*time.Millisecond {
		t.Errorf("cause %q; the test measured at most %s", one.Cause, most)
	}
	if !strings.Contains(one.Cause, "session.grace is 6s") {
		t.Errorf("cause %q does not say which setting expired", one.Cause)
	}
}

// An outage begins when the client was last heard, not when that was found out.
func TestAnOutageBeginsWhenTheClientWasLastHeard(t *testing.T) {
	t.Parallel()
	const unnoticed = 3 * time.Second
	w := newWorld(t, settings{clients: 1, clientTimeout: unnoticed})
	path, err := harness.NewPath(w.Addr)
	expect.NoError(t, err)
	t.Cleanup(path.Close)
	s := w.sender("a", path.Addr(), nil)
	expect.NoError(t, s.GoesOn(patience))
	cut := time.Now()
	path.Hold(harness.Up, harness.Down)
	w.session("a", isAway)
	noticed := time.Since(cut)
	if noticed < unnoticed/2 {
		t.Fatalf("the silence was noticed after %s; this test needs it to take longer", noticed)
	}
	path.Cut()
	path.Release()
	expect.NoError(t, s.GoesOn(patience))
	back := time.Since(cut)
	s.Finish()
	expect.NoError(t, s.AwaitEnd(patience))
	rep := w.finish(exitComplete)

	first := expect.Client(t, rep, "a").Connections[0]
	// What was on its way when the path was held may have been heard a little later.
	if away := time.Duration(first.AwayNano); away < noticed-time.Second || away > back+time.Second {
		t.Errorf("the report says that the outage took %s; nothing was heard for %s before it was noticed, and the "+
			"client was back after %s",
			away, noticed, back)
	}
	if before := time.Duration(first.DetachedAt - first.LastHeardAt); first.LastHeardAt == 0 || before < unnoticed/2 {
		t.Errorf("last heard %s before the outage was noticed; want about %s", before, noticed)
	}
}
