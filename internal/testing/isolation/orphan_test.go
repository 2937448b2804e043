package isolation_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// When a supervisor is killed and none takes its place, its handlers end by themselves
// after the orphan grace, which may be none, and with them the clients' connections. Its journal still tells
// what was acknowledged. A supervisor that must not resume the run closes its books
// and begins another.
func TestNothingOutlivesAKilledSupervisorForLong(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	// 0 is 0, and not told as the handler's own default
	s := startCommand(t, command(state, "--clients", "2", "--handler-pool", "3", "--handler-orphan-grace", "0s"))
	a, b := s.dial(), s.dial()
	greet(t, a, rawclient.Hello("a"))
	greet(t, b, rawclient.Hello("b"))
	expect.NoError(t, errors.Join(a.SendBatch(1, 5), a.AwaitAck(5)))
	expect.NoError(t, errors.Join(b.SendBatch(1, 2), b.AwaitAck(2)))
	half := s.dial() // has not said Hello
	s.settled(3, 3)
	watches := watch(t, s.processes())
	if len(watches) != 6 {
		t.Fatalf("%d handlers are running; want 6", len(watches))
	}
	s.Kill()
	for _, w := range watches {
		expect.NoError(t, w.AwaitExit(patience))
	}
	for _, c := range []*rawclient.Client{a, b, half} {
		if err := c.End(); status.Code(err) != codes.Unavailable {
			t.Errorf("a client of the killed supervisor was told %v; want UNAVAILABLE", err)
		}
	}

	rep := s.checkJournal()
	for name, want := range map[string]uint64{"a": 5, "b": 2} {
		if c := expect.Client(t, rep, name); c.Outcome != report.OutcomeOpen || c.Messages != want {
			t.Errorf("client %s: %s with %d messages; want open with %d", name, c.Outcome, c.Messages, want)
		}
	}
	rebuilt(t, s.RunDir, rep)

	next := startCommand(t, command(state, "--resume-within", "0s"))
	c := next.dial()
	greet(t, c, rawclient.Hello("c"))
	say(t, c)
	if got := next.finish(exitComplete); len(got.Clients) != 1 || next.RunDir == s.RunDir {
		t.Errorf("the next run has %d clients, in %s; want its own alone", len(got.Clients), next.RunDir)
	}
	old := s.checkJournal()
	for name, want := range map[string]uint64{"a": 5, "b": 2} {
		if c := expect.Client(t, old, name); c.Outcome != report.OutcomeLost || c.Messages != want {
			t.Errorf("client %s: %s with %d messages; want lost with %d", name, c.Outcome, c.Messages, want)
		}
	}
	if _, err := os.Stat(filepath.Join(s.RunDir, "report.txt")); err != nil || old.Run.End != "failed" {
		t.Errorf("the run that was not taken up has end %q, and its report %v; want failed, and one", old.Run.End, err)
	}
}

// watch holds on to processes for the time of the test.
func watch(t *testing.T, pids []int) []*harness.Watch {
	t.Helper()
	var out []*harness.Watch
	for _, pid := range pids {
		w, err := harness.NewWatch(pid)
		expect.NoError(t, err)
		t.Cleanup(func() { w.Close() })
		out = append(out, w)
	}
	return out
}

// rebuilt checks what `bulkhead report` says of a run without an end.
func rebuilt(t *testing.T, runDir string, want *report.Report) {
	t.Helper()
	const noEnd = "the run has no end: the supervisor was killed or is still running"
	text, err := exec.Command(filepath.Join(bin, "bulkhead"), "report", runDir).Output()
	expect.NoError(t, err)
	if !strings.Contains(string(text), noEnd) {
		t.Errorf("bulkhead report says:\n%s\nwant %q in it", text, noEnd)
	}
	data, err := exec.Command(filepath.Join(bin, "bulkhead"), "report", "--format", "json", runDir).Output()
	expect.NoError(t, err)
	var got report.Report
	expect.NoError(t, json.Unmarshal(data, &got))
	if got.Complete() || got.Run.End != "" || got.Totals.Messages != want.Totals.Messages {
		t.Errorf("bulkhead report: %+v, end %q, %d messages; want partial, no end, %d messages", got.Verdict,
			got.Run.End, got.Totals.Messages, want.Totals.Messages)
	}
}

// A state directory has one supervisor: a second one refuses, and the first does not
// notice.
func TestSecondSupervisorRefusesAndHarmsNothing(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	s := startCommand(t, command(state, "--clients", "2"))
	by := bystander(t, s, rawclient.Hello("bystander"))
	second := launch(t, command(state))
	code, err := second.Wait(patience)
	expect.NoError(t, err)
	if want := "another supervisor uses this state directory: " + state; code != exitFailure ||
		!strings.Contains(second.Log(), want) {
		t.Errorf("the second supervisor exited with %d; want %d and %q in:\n%s", code, exitFailure, want, second.Log())
	}
	by.goesOn(t)
	c := s.dial() // the first still starts handlers
	greet(t, c, rawclient.Hello("late"))
	if s.session("late").GetState() != "active" {
		t.Error("status of the first does not know the late client as active")
	}
	say(t, c)
	sent := by.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
}
