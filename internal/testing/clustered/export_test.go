package clustered

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/testing/engine"
	"bulkhead/internal/testing/harness"
)

// A run that is over is exported when its engine, which went away in that moment, is back.
func TestTheExportWaitsForTheEngine(t *testing.T) {
	failing, err := harness.Build(t.TempDir(), "-tags", "failpoints")
	if err != nil {
		t.Fatal(err)
	}
	c := engine.Start(t, engine.Options{})
	state := folder(t)
	cmd := harness.SupervisorCommand(failing, state, "--config", settings(t, c), "--clients", "1")
	cmd.Env = append(os.Environ(), "BULKHEAD_FAILPOINTS=supervisor/before-export=stop@1")
	s, err := harness.Start(cmd, state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("supervisor %d:\n%s", s.Pid(), s.Log())
		}
	})
	if err := s.AwaitReady(patience); err != nil {
		t.Fatal(err)
	}
	ended(t, client(t, s, "one", "--runtime", "2s"))
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if state, err := harness.State(s.Pid()); err != nil || time.Now().After(deadline) {
			t.Fatalf("the supervisor does not come to its export: %q: %v", state, err)
		} else if state == "T" {
			break
		}
	}
	for _, n := range c.Nodes {
		n.Kill()
	}
	if err := s.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Await(patience, func(l harness.LogLine) bool {
		return strings.Contains(l.Text("msg"), "cannot be read from the engine now")
	}); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes {
		if err := n.Start(); err != nil {
			t.Fatal(err)
		}
	}
	rep, _ := finished(t, s, 0)
	allClosed(t, rep, 1)
}
