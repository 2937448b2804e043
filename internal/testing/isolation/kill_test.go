package isolation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// sigkilled is how the death of a handler by a foreign SIGKILL is told.
const sigkilled = "killed by signal 9 (SIGKILL)"

// One handler of eight is killed under load. Its client resumes, the others do not
// notice, and every message of all eight is in the journal once.
func TestKilledHandlerTouchesNoOtherClient(t *testing.T) {
	t.Parallel()
	const clients, victim = 8, 3
	s := start(t, "--clients", fmt.Sprint(clients))
	var loads []*load
	for i := range clients {
		hello := rawclient.Hello(fmt.Sprintf("client-%d", i))
		loads = append(loads, startLoad(t, s, hello, uint32(i), 16, 4))
	}
	for _, l := range loads {
		l.goesOn(t)
	}
	pid := int(s.session(loads[victim].hello.GetName()).GetHandlerPid())
	expect.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	expect.Eventually(t, func() error {
		if loads[victim].resumed() == 0 {
			return fmt.Errorf("%s has not lost its connection", loads[victim].hello.GetName())
		}
		return nil
	})
	sent := make(map[*load]uint64)
	for _, l := range loads {
		l.goesOn(t)
	}
	for _, l := range loads {
		sent[l] = l.finish(t)
	}

	rep := s.finish(exitComplete)
	journalled(t, s, sent)
	for i, l := range loads {
		resumes := 0
		if i == victim {
			resumes = 1
		}
		c := expect.Client(t, rep, l.hello.GetName())
		if l.resumed() != resumes || c.Resumes != uint64(resumes) || len(c.Connections) != 1+resumes {
			t.Errorf("%s connected again %d times, the report says %d; want %d", c.Name, l.resumed(), c.Resumes,
				resumes)
		}
		if c.Outcome != report.OutcomeClosed || c.LastSeq != sent[l] || c.Messages != sent[l] {
			t.Errorf("%s: %s (%s) at %d with %d messages; want closed at %d", c.Name, c.Outcome, c.Cause, c.LastSeq,
				c.Messages, sent[l])
		}
	}
	deaths(t, rep, pid, loads[victim].hello.GetName())
	// A client may be back before the supervisor has seen its handler's death.
	lost := expect.Client(t, rep, loads[victim].hello.GetName()).Connections[0]
	if int(lost.HandlerPid) != pid ||
		(lost.DetachCause != "handler "+sigkilled && lost.DetachCause != "the client connected again") {
		t.Errorf("the lost connection is %+v; want handler %d and its death, or the client's return, as the cause",
			lost, pid)
	}
}

// A handler that dies between its client's Welcome and the first ack that the client gets, at any
// point, loses nothing: the session is the same, and what is durable is known.
func TestHandlerKilledBeforeTheFirstAck(t *testing.T) {
	t.Parallel()
	programs, err := faulty()
	expect.NoError(t, err)
	for point, durable := range map[string]uint64{"handler-batch": 0, "handler-relay": 0, "handler-ack": 3} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			// One that is locked in cannot make the file by which only the first of them dies.
			cmd := commandFrom(programs, newStateDir(t), "--handler-sandbox", "off")
			cmd.Env = append(os.Environ(), fmt.Sprintf("BULKHEAD_FAILPOINTS=%s=kill?%s", point,
				filepath.Join(t.TempDir(), "once")))
			s := startCommand(t, cmd)
			hello := rawclient.Hello("alpha")
			c := s.dial()
			first := greet(t, c, hello)
			pid := int(s.session("alpha").GetHandlerPid())
			expect.NoError(t, c.SendBatch(1, 3))
			if err := c.AwaitAck(3); status.Code(err) != codes.Unavailable {
				t.Fatalf("the client was told %v; want UNAVAILABLE before any ack", err)
			}
			s.await("alpha", "away")
			again := s.dial()
			if w := greet(t, again, hello); w.GetResumeAfter() != durable || w.GetSessionId() != first.GetSessionId() {
				t.Fatalf("the client may resume session %s after %d; want %s after %d", w.GetSessionId(),
					w.GetResumeAfter(), first.GetSessionId(), durable)
			}
			if durable == 0 {
				expect.NoError(t, again.SendBatch(1, 3))
				expect.NoError(t, again.AwaitAck(3))
			}
			goodbye(t, again, 3)
			rep := s.finish(exitComplete)
			if got := expect.Client(t, rep, "alpha"); got.Outcome != report.OutcomeClosed || got.Messages != 3 ||
				got.Resumes != 1 || len(rep.Clients) != 1 {
				t.Errorf("%s with %d messages and %d resumes, of %d clients; want closed with 3 and 1", got.Outcome,
					got.Messages, got.Resumes, len(rep.Clients))
			}
			deaths(t, rep, pid, "alpha")
		})
	}
}

// deaths checks that the handler pid, of that client, and no other handler was
// killed by SIGKILL.
func deaths(t *testing.T, rep *report.Report, pid int, client string) {
	t.Helper()
	for _, h := range rep.Handlers {
		switch {
		case h.Exit == nil:
			t.Errorf("handler %d has no end", h.Pid)
		case int(h.Pid) != pid:
			if h.Exit.Class != report.ExitClean {
				t.Errorf("handler %d of %s ended like this: %+v; want clean", h.Pid, h.Client, h.Exit)
			}
		case h.Exit.Class != report.ExitCrash || h.Exit.Signal != int32(syscall.SIGKILL) || h.Exit.Cause != sigkilled ||
			h.Client != client:
			t.Errorf("handler %d of %q: %+v; want a crash of %q: %s", h.Pid, h.Client, h.Exit, client, sigkilled)
		}
	}
	if warnings := strings.Join(rep.Verdict.Warnings, "\n"); !strings.Contains(warnings,
		fmt.Sprintf("handler %d ", pid)) || !strings.Contains(warnings, sigkilled) {
		t.Errorf("the warnings do not name the death of handler %d:\n%s", pid, warnings)
	}
}

// A handler that dies before its use is replaced, and no client notices.
func TestHandlerKilledBeforeItsUseIsReplaced(t *testing.T) {
	t.Parallel()
	s := start(t, "--handler-pool", "1")
	s.settled(0, 1)
	warm := s.handlers()
	if len(warm) != 1 {
		t.Fatalf("handlers = %v; want one", warm)
	}
	expect.NoError(t, syscall.Kill(warm[0], syscall.SIGKILL))
	_, err := s.Await(patience,
		func(l harness.LogLine) bool { return l.Text("msg") == "a handler died before its use" })
	expect.NoError(t, err)
	c := s.dial()
	greet(t, c, rawclient.Hello("alpha"))
	say(t, c)
	rep := s.finish(exitComplete)
	deaths(t, rep, warm[0], "")
	if h := expect.Handler(t, rep, warm[0]); h.ConnectionID != 0 {
		t.Errorf("handler %d had connection %d; want none", h.Pid, h.ConnectionID)
	}
}
