package isolation_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// killedByOwner is how the end of a handler that had to be killed is told.
const killedByOwner = "did not end in time and was killed"

// frozenClient connects a client, stops its handler and lets it send messages 4 to
// 6, after 1 to 3 were acknowledged. ended receives how its stream ends.
func frozenClient(t *testing.T, s *running, by *load) (handler int, again func() *rawclient.Client,
	ended <-chan error) {
	t.Helper()
	hello := rawclient.Hello("frozen")
	c := s.dial()
	greet(t, c, hello)
	expect.NoError(t, c.SendBatch(1, 3))
	expect.NoError(t, c.AwaitAck(3))
	handler = int(s.session("frozen").GetHandlerPid())
	freeze(t, handler)
	expect.NoError(t, c.SendBatch(4, 6))
	end := make(chan error, 1)
	go func() { end <- c.AwaitAck(6) }() // ends with the connection
	by.goesOn(t)
	by.goesOn(t)
	select {
	case err := <-end:
		t.Errorf("the client of a stopped handler heard something: %v", err)
	default:
	}
	return handler, func() *rawclient.Client {
		back := s.dial()
		if w := greet(t, back, hello); w.GetResumeAfter() != 3 {
			t.Errorf("the client may resume after %d; want 3", w.GetResumeAfter())
		}
		return back
	}, end
}

// killedHandler checks that the report tells how a stopped handler ended.
func killedHandler(t *testing.T, rep *report.Report, pid int) {
	t.Helper()
	h := expect.Handler(t, rep, pid)
	if h.Client != "frozen" || h.Exit == nil || h.Exit.Class != report.ExitKilled || h.Exit.Cause != killedByOwner {
		t.Errorf("handler %d of %q: %+v; want %q", h.Pid, h.Client, h.Exit, killedByOwner)
	}
	if warnings := strings.Join(rep.Verdict.Warnings, "\n"); !strings.Contains(warnings, "frozen") ||
		!strings.Contains(warnings, killedByOwner) {
		t.Errorf("the warnings do not name the handler that was killed:\n%s", warnings)
	}
}

// A stopped handler holds up its client alone. A drain waits no longer than it may:
// then the handler is killed and the session is lost.
func TestStoppedHandlerDoesNotHoldUpADrain(t *testing.T) {
	t.Parallel()
	s := start(t, "--clients", "2", "--drain-timeout", "2s")
	by := bystander(t, s, rawclient.Hello("bystander"))
	handler, _, ended := frozenClient(t, s, by)
	expect.NoError(t, s.Signal(syscall.SIGTERM))
	_, err := s.Await(patience, func(l harness.LogLine) bool { return l.Text("msg") == "draining" })
	expect.NoError(t, err)
	sent := by.finish(t)

	rep := s.finish(exitPartial)
	if err := <-ended; err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the stream of the lost client ended with %v; want an error", err)
	}
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
	killedHandler(t, rep, handler)
	c := expect.Client(t, rep, "frozen")
	if c.Outcome != report.OutcomeLost || c.Cause != "still open at the end of the drain time" || c.LastSeq != 3 {
		t.Errorf("the client of the stopped handler: %s (%s) at %d; want lost at the end of the drain time, at 3",
			c.Outcome, c.Cause, c.LastSeq)
	}
	if reasons := strings.Join(rep.Verdict.Reasons, "\n"); !strings.Contains(reasons,
		"client frozen: lost: still open at the end of the drain time") {
		t.Errorf("the verdict does not name the lost client:\n%s", reasons)
	}
}

// The client of a stopped handler reconnects and continues through another, and
// the stopped one is killed.
func TestClientOfAStoppedHandlerResumes(t *testing.T) {
	t.Parallel()
	s := start(t, "--clients", "2")
	by := bystander(t, s, rawclient.Hello("bystander"))
	handler, again, ended := frozenClient(t, s, by)
	c := again()
	expect.NoError(t, c.SendBatch(4, 6))
	expect.NoError(t, c.AwaitAck(6))
	if err := <-ended; err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the replaced stream ended with %v; want an error", err)
	}
	goodbye(t, c, 6)
	sent := by.finish(t)

	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
	killedHandler(t, rep, handler)
	f := expect.Client(t, rep, "frozen")
	if f.Outcome != report.OutcomeClosed || f.Messages != 6 || f.Resumes != 1 || len(f.Connections) != 2 {
		t.Fatalf("the client of the stopped handler: %s (%s) with %d messages, %d resumes; want closed with 6 and 1",
			f.Outcome, f.Cause, f.Messages, f.Resumes)
	}
	if cause := f.Connections[0].DetachCause; int(f.Connections[0].HandlerPid) != handler ||
		cause != "the client connected again" {
		t.Errorf("the first connection was lost because of %q; want the client's return", cause)
	}
}

// Handlers that are stopped while they are idle are found when a connection is handed
// to them: it goes to others, and they are killed.
func TestStoppedIdleHandlersAreReplaced(t *testing.T) {
	t.Parallel()
	s := start(t, "--handler-start-timeout", "10s", "--handler-pool", "2")
	s.settled(0, 2)
	idle := s.handlers()
	for _, pid := range idle {
		freeze(t, pid)
	}
	expect.NoError(t, closedVisit(t.Context(), s.Addr, "alpha"))
	rep := s.finish(exitComplete)
	if c := expect.Client(t, rep, "alpha"); c.Outcome != report.OutcomeClosed || c.Messages != 3 ||
		len(c.Connections) != 1 || len(rep.Rejections) != 0 {
		t.Errorf("alpha: %s with %d messages over %+v, rejections %v; want one connection", c.Outcome, c.Messages,
			c.Connections, rep.Rejections)
	}
	for _, pid := range idle {
		if h := expect.Handler(t, rep, pid); h.Client != "" || h.Exit == nil || h.Exit.Class != report.ExitHang {
			t.Errorf("handler %d of %q: %+v; want hung, and nobody's", h.Pid, h.Client, h.Exit)
		}
	}
}

// A supervisor whose idle handlers are stopped ends no later for their number.
func TestStoppedIdleHandlersEndTogether(t *testing.T) {
	t.Parallel()
	const pool = 70 // a second each
	s := start(t, "--handler-pool", fmt.Sprint(pool))
	s.settled(0, pool)
	for _, pid := range s.handlers() {
		freeze(t, pid)
	}
	expect.NoError(t, s.Signal(syscall.SIGTERM))
	s.finish(exitPartial) // within patience, which is less than that
}

// Nor do they hold up an upgrade, in which nothing is acknowledged, however long a handler
// with a client may take to end.
func TestStoppedIdleHandlersDoNotHoldUpAnUpgrade(t *testing.T) {
	t.Parallel()
	s := start(t, "--handler-kill-timeout", (10 * patience).String())
	l := startLoad(t, s, rawclient.Hello("client"), 1, 4, 2)
	l.goesOn(t)
	busy := busyHandlers(s)
	s.settled(1, 4)
	for _, pid := range s.handlers() {
		if !slices.Contains(busy, pid) {
			freeze(t, pid)
		}
	}
	if said, err := s.upgrade(bin); err != nil {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	s.restarts(1)
	l.goesOn(t)
	sent := l.finish(t)
	unharmed(t, s.finish(exitComplete), l, sent)
}
