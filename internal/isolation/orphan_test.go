package isolation_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/collect"
	"bulkhead/internal/harness"
	"bulkhead/supervisor/report"
)

// When a supervisor is killed, its handlers end by themselves and with them the
// clients' connections. Its journal still tells what was acknowledged, and another
// supervisor starts in its place.
func TestNothingOutlivesAKilledSupervisor(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	s := startCommand(t, command(state, "--clients", "2", "--handler-pool", "3"))
	a, b := s.dial(), s.dial()
	greet(t, a, collect.Hello("a"))
	greet(t, b, collect.Hello("b"))
	must(t, errors.Join(a.SendBatch(1, 5), a.AwaitAck(5)))
	must(t, errors.Join(b.SendBatch(1, 2), b.AwaitAck(2)))
	half := s.dial() // has not said Hello
	s.settled(3, 3)
	watches := watch(t, s.processes())
	if len(watches) != 6 {
		t.Fatalf("%d handlers are running; want 6", len(watches))
	}
	s.Kill()
	for _, w := range watches {
		must(t, w.AwaitExit(patience))
	}
	for _, c := range []*collect.Client{a, b, half} {
		if err := c.End(); status.Code(err) != codes.Unavailable {
			t.Errorf("a client of the killed supervisor was told %v; want UNAVAILABLE", err)
		}
	}

	rep := s.checkJournal()
	for name, want := range map[string]uint64{"a": 5, "b": 2} {
		if c := client(t, rep, name); c.Outcome != report.OutcomeOpen || c.Messages != want {
			t.Errorf("client %s: %s with %d messages; want open with %d", name, c.Outcome, c.Messages, want)
		}
	}
	rebuilt(t, s.RunDir, rep)
	journal := content(t, s.RunDir)

	next := startCommand(t, command(state))
	c := next.dial()
	greet(t, c, collect.Hello("c"))
	say(t, c)
	if got := next.finish(exitComplete); len(got.Clients) != 1 {
		t.Errorf("the next run has %d clients; want its own alone", len(got.Clients))
	}
	if !bytes.Equal(content(t, s.RunDir), journal) {
		t.Error("the next supervisor changed the journal of the killed one")
	}
}

// watch holds on to processes for the time of the test.
func watch(t *testing.T, pids []int) []*harness.Watch {
	t.Helper()
	var out []*harness.Watch
	for _, pid := range pids {
		w, err := harness.NewWatch(pid)
		must(t, err)
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
	must(t, err)
	if !strings.Contains(string(text), noEnd) {
		t.Errorf("bulkhead report says:\n%s\nwant %q in it", text, noEnd)
	}
	data, err := exec.Command(filepath.Join(bin, "bulkhead"), "report", "--format", "json", runDir).Output()
	must(t, err)
	var got report.Report
	must(t, json.Unmarshal(data, &got))
	if got.Complete() || got.Run.End != "" || got.Totals.Messages != want.Totals.Messages {
		t.Errorf("bulkhead report: %+v, end %q, %d messages; want partial, no end, %d messages", got.Verdict, got.Run.End, got.Totals.Messages, want.Totals.Messages)
	}
}

// content is the bytes of a run's journal.
func content(t *testing.T, runDir string) []byte {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(runDir, "journal", "*.seg"))
	must(t, err)
	var all []byte
	for _, s := range segments {
		data, err := os.ReadFile(s)
		must(t, err)
		all = append(all, data...)
	}
	return all
}

// A state directory has one supervisor: a second one refuses, and the first does not
// notice.
func TestSecondSupervisorRefusesAndHarmsNothing(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	s := startCommand(t, command(state, "--clients", "2"))
	by := bystander(t, s, collect.Hello("bystander"))
	second := launch(t, command(state))
	code, err := second.Wait(patience)
	must(t, err)
	if want := "another supervisor uses this state directory: " + state; code != exitFailure || !strings.Contains(second.Log(), want) {
		t.Errorf("the second supervisor exited with %d; want %d and %q in:\n%s", code, exitFailure, want, second.Log())
	}
	by.goesOn(t)
	c := s.dial() // the first still starts handlers
	greet(t, c, collect.Hello("late"))
	if s.session("late").GetState() != "active" {
		t.Error("status of the first does not know the late client as active")
	}
	say(t, c)
	sent := by.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
}
