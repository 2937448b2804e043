package isolation_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/custody"
	"bulkhead/supervisor/report"
)

// What ended a handler is told rightly, each time: memory that it did not get – of which Go's
// runtime dies in several ways, a SIGSEGV among them –, a SIGSEGV that has another cause, and a call
// that its sandbox forbids.
func TestEndsAreToldApart(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("programs with the race detector have memory of their own, and no layer reaches their threads")
	}
	programs, err := faulty()
	expect.NoError(t, err)
	ends := []struct{ action, class, cause string }{
		{"oom", report.ExitOOM, "ran out of memory: exit status 2: "},
		{"segv", report.ExitCrash, "killed by signal 11 (SIGSEGV)"},
		{"panic", report.ExitCrash, "exit status 2: panic: "},
		{"forbid", report.ExitSandbox, "did what its sandbox forbids: killed by signal 31 (SIGSYS)"},
	}
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	s := startCommand(t, commandFrom(programs, newStateDir(t), "--clients", fmt.Sprint(1+rounds*len(ends)),
		"--handler-memory-max", "256MiB", "--handler-memory-limit", "16MiB", "--log-level", "info"))
	s.forbids = true
	by := bystander(t, s, rawclient.Hello("bystander"))
	pids := make(map[int]int) // of a handler, the index of what ended it
	for range rounds {
		for i, end := range ends {
			hello := rawclient.Hello(fmt.Sprintf("victim-%d", len(pids)))
			c := s.dial()
			greet(t, c, hello)
			pids[int(s.session(hello.GetName()).GetHandlerPid())] = i
			expect.NoError(t, c.Send(fault(1, end.action)))
			if err := c.End(); status.Code(err) != codes.Unavailable {
				t.Errorf("%s: the client was told %v; want UNAVAILABLE", end.action, err)
			}
			again := s.dial()
			if w := greet(t, again, hello); w.GetResumeAfter() != 0 {
				t.Errorf("%s: the client may resume after %d; want 0", end.action, w.GetResumeAfter())
			}
			say(t, again)
		}
	}
	sent := by.finish(t)
	rep := s.finish(exitComplete)
	if len(pids) != rounds*len(ends) {
		t.Skipf("the system used a process id again: %d for %d handlers", len(pids), rounds*len(ends))
	}
	for pid, i := range pids {
		h, end := expect.Handler(t, rep, pid), ends[i]
		if h.Exit == nil || h.Exit.Class != end.class || !strings.HasPrefix(h.Exit.Cause, end.cause) {
			t.Errorf("%s: handler %d ended with %+v; want %s, %q", end.action, pid, h.Exit, end.class, end.cause)
		}
	}
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
}

// A system call that no rule knows fails, and its handler goes on; with
// BULKHEAD_TEST_SANDBOX_UNKNOWN=kill, with which other tests look for such calls, it ends it.
func TestACallThatNoRuleKnows(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("no layer reaches the threads of the race detector")
	}
	programs, err := faulty()
	expect.NoError(t, err)
	for _, unknown := range []string{"fail", "kill"} {
		t.Run(unknown, func(t *testing.T) {
			t.Parallel()
			cmd := commandFrom(programs, newStateDir(t))
			cmd.Env = append(os.Environ(), custody.UnknownEnv+"="+unknown) // the last one counts
			s := startCommand(t, cmd)
			s.forbids = unknown == "kill"
			c, hello := s.dial(), rawclient.Hello("client")
			greet(t, c, hello)
			pid := int(s.session("client").GetHandlerPid())
			expect.NoError(t, c.Send(fault(1, "stray")))
			last, class := uint64(1), report.ExitClean
			if s.forbids {
				if err := c.End(); status.Code(err) != codes.Unavailable {
					t.Errorf("the client was told %v; want UNAVAILABLE", err)
				}
				c, last, class = s.dial(), 3, report.ExitSandbox
				greet(t, c, hello)
				expect.NoError(t, c.SendBatch(1, last))
			}
			expect.NoError(t, c.AwaitAck(last))
			goodbye(t, c, last)
			rep := s.finish(exitComplete)
			if h := expect.Handler(t, rep, pid); h.Exit == nil || h.Exit.Class != class {
				t.Errorf("its handler ended with %+v; want %s", h.Exit, class)
			}
		})
	}
}
