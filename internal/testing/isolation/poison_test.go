package isolation_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// A batch that kills every handler which decodes it quarantines its session at the
// third: the client is told, the batch is kept, and nobody else notices. A restart of
// the supervisor in between does not begin the count again.
func TestPoisonIsQuarantined(t *testing.T) {
	t.Parallel()
	programs, err := faulty()
	expect.NoError(t, err)
	for action, class := range map[string]string{"panic": report.ExitCrash, "segv": report.ExitCrash,
		"oom": report.ExitOOM, "spin": report.ExitHang, "forbid": report.ExitSandbox} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			state := newStateDir(t)
			hang := patience // nothing else may pass for a hang on a busy machine
			if action == "spin" {
				hang = 1500 * time.Millisecond
			}
			args := []string{"--clients", "2", "--handler-hang-timeout", hang.String()}
			switch {
			case !raceEnabled:
				args = append(args, "--handler-memory-max", "256MiB", "--handler-memory-limit", "16MiB")
			case action == "oom":
				t.Skip("the race detector needs more address space than any bound that could be tested")
			case action == "forbid":
				t.Skip("no layer reaches the threads of the race detector")
			}
			s := startCommand(t, commandFrom(programs, state, args...))
			by := bystander(t, s, rawclient.Hello("bystander"))
			hello := rawclient.Hello("victim")
			var pids []int
			for kill := range 3 {
				if kill == 2 && action == "panic" {
					by.finish(t)
					s.Kill()
					s = startCommand(t, commandFrom(programs, state, args...))
					by = bystander(t, s, rawclient.Hello("another bystander"))
				}
				c := s.dial()
				first := uint64(0)
				if kill > 0 {
					first = 3
				}
				if w := greet(t, c, hello); w.GetResumeAfter() != first {
					t.Fatalf("the client may resume after %d; want %d", w.GetResumeAfter(), first)
				}
				if kill == 0 {
					expect.NoError(t, c.SendBatch(1, 3))
					expect.NoError(t, c.AwaitAck(3))
				}
				pids = append(pids, int(s.session("victim").GetHandlerPid()))
				expect.NoError(t, c.Send(fault(4, action)))
				if err := c.End(); status.Code(err) != codes.Unavailable {
					t.Errorf("after handler %d the client was told %v; want UNAVAILABLE", kill+1, err)
				}
				if kill < 2 {
					s.await("victim", "away")
					expect.Eventually(t, func() error {
						for _, h := range s.checkJournal().Handlers {
							if int(h.Pid) == pids[kill] && h.Exit != nil {
								return nil
							}
						}
						return fmt.Errorf("the end of handler %d is not in the journal", pids[kill])
					})
				}
			}
			s.await("victim", "quarantined")
			if _, err := s.dial().Greet(hello); status.Code(err) != codes.DataLoss {
				t.Errorf("the client of the quarantined session was told %v; want DATA_LOSS", err)
			}
			s.forbids = action == "forbid"
			by.goesOn(t)
			sent := by.finish(t)
			rep := s.finish(exitPartial)
			journalled(t, s, map[*load]uint64{by: sent})
			unharmed(t, rep, by, sent)
			got := expect.Client(t, rep, "victim")
			if got.Outcome != report.OutcomeQuarantined || got.Messages != 3 ||
				!strings.Contains(got.Cause, "3 handlers in a row died on what follows message 3") {
				t.Errorf("the poisoned session: %s (%s) with %d messages", got.Outcome, got.Cause, got.Messages)
			}
			for _, pid := range pids {
				if h := expect.Handler(t, rep, pid); h.Exit == nil || h.Exit.Class != class {
					t.Errorf("handler %d: %+v; want %s", pid, h.Exit, class)
				}
			}
			wantQuarantined(t, s, fault(4, action))
			if action == "forbid" {
				wantInReport(t, s, "did what its sandbox does not allow: killed by signal 31 (SIGSYS)", len(pids))
			}
		})
	}
}

// wantInReport checks how often a run's report for people says something.
func wantInReport(t *testing.T, s *running, words string, times int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.RunDir, "report.txt"))
	expect.NoError(t, err)
	if n := strings.Count(string(text), words); n != times {
		t.Errorf("the report says %d times %q; want %d:\n%s", n, words, times, text)
	}
}

// wantQuarantined checks that a frame, and no other, is kept for people to look at.
func wantQuarantined(t *testing.T, s *running, frame *bulkheadv1.ClientFrame) {
	t.Helper()
	frames, err := filepath.Glob(filepath.Join(s.RunDir, "quarantine", "*.frame"))
	expect.NoError(t, err)
	if len(frames) != 1 {
		t.Fatalf("frames kept: %v; want one", frames)
	}
	kept, err := os.ReadFile(frames[0])
	expect.NoError(t, err)
	sent, err := proto.Marshal(frame)
	expect.NoError(t, err)
	if !bytes.Equal(kept, sent) {
		t.Errorf("the frame kept has %d bytes, and not what was sent: %d bytes", len(kept), len(sent))
	}
}

// Handlers killed by an operator, with nothing of their client at work, are no poison.
func TestKilledIdleHandlersAreNoPoison(t *testing.T) {
	t.Parallel()
	s := start(t)
	hello := rawclient.Hello("victim")
	for range 5 {
		c := s.dial()
		greet(t, c, hello)
		s.await("victim", "active")
		expect.NoError(t, syscall.Kill(int(s.session("victim").GetHandlerPid()), syscall.SIGKILL))
		if err := c.End(); status.Code(err) != codes.Unavailable {
			t.Errorf("the client was told %v; want UNAVAILABLE", err)
		}
		s.await("victim", "away")
	}
	c := s.dial()
	greet(t, c, hello)
	say(t, c)
	rep := s.finish(exitComplete)
	if got := expect.Client(t, rep, "victim"); got.Outcome != report.OutcomeClosed || got.Resumes != 5 {
		t.Errorf("%s with %d resumes; want closed with 5", got.Outcome, got.Resumes)
	}
}
