package clustered

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "bulkhead/handler" // runs in the programs only; a change to it makes cached results stale
	"bulkhead/internal/testing/engine"
	"bulkhead/internal/testing/harness"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/saved"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// patience is how long anything that must happen may take. Only a test that fails waits that long.
const patience = 3 * time.Minute

// bin is where TestMain puts the programs; it is written before any test.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the programs and runs the tests.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bulkhead-clustered-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if bin, err = harness.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// folder makes a folder with a short path that is gone when the test ends.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bh-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// settings writes the configuration of a supervisor on an engine, with further lines for its journal.
func settings(t *testing.T, c *engine.Cluster, journal ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "supervisor.yaml")
	text := fmt.Sprintf("linger: 200ms\njournal:\n  kind: nats\n  url: %s\n  monitor: %s\n  replicas: %d\n"+
		"  shards: 2\n", strings.Join(c.URLs(), ","), strings.Join(c.Monitors(), ","), len(c.Nodes))
	for _, line := range journal {
		text += "  " + line + "\n"
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// supervisor starts a supervisor, which is gone when the test ends.
func supervisor(t *testing.T, state string, args ...string) *harness.Supervisor {
	t.Helper()
	s, err := harness.StartSupervisor(bin, state, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("supervisor %d:\n%s", s.Pid(), s.Log())
		}
	})
	return s
}

// client starts a client, which is gone when the test ends.
func client(t *testing.T, s *harness.Supervisor, name string, args ...string) *harness.Client {
	t.Helper()
	c, err := harness.StartClient(bin, folder(t), s.Addr, name, append([]string{"--consumers", "2", "--chunk-size",
		"64KiB", "--file-size", "256KiB"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	return c
}

// joined waits until so many clients have joined.
func joined(t *testing.T, s *harness.Supervisor, clients int) {
	t.Helper()
	seen := 0
	_, err := s.Await(patience, func(l harness.LogLine) bool {
		if l.Text("msg") == "client joined" {
			seen++
		}
		return seen == clients
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ended waits for the end of a client, and checks that all went as it should.
func ended(t *testing.T, c *harness.Client) {
	t.Helper()
	if code, err := c.Wait(patience); err != nil || code != 0 {
		t.Errorf("a client ended with %d: %v\n%s", code, err, c.Stderr.String())
	}
}

// finished waits for the end of a supervisor, and returns the report of its run, whose journal it checks.
func finished(t *testing.T, s *harness.Supervisor, want int) (*report.Report, []*bulkheadv1.Record) {
	t.Helper()
	code, err := s.Wait(patience)
	if err != nil || code != want {
		t.Fatalf("the supervisor ended with %d: %v; want %d", code, err, want)
	}
	rep, err := saved.Report(s.RunDir)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.RunDir, "journal")
	r, err := journal.Check(dir)
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		t.Errorf("the exported journal: %v", err)
	}
	var list []*bulkheadv1.Record
	if _, err := journal.Replay(dir, func(rec *bulkheadv1.Record) error {
		list = append(list, rec)
		return nil
	}); err != nil {
		t.Error(err)
	}
	return rep, list
}

// allClosed checks that so many clients are in a report, and each has its load whole.
func allClosed(t *testing.T, rep *report.Report, clients int) {
	t.Helper()
	if len(rep.Clients) != clients {
		t.Errorf("%d clients are in the report, not %d", len(rep.Clients), clients)
	}
	for _, c := range rep.Clients {
		if c.Outcome != report.OutcomeClosed {
			t.Errorf("client %s is %s: %s", c.Name, c.Outcome, c.Cause)
		}
	}
	if rep.Verdict.Word != report.WordComplete {
		t.Errorf("the verdict is %+v", rep.Verdict)
	}
	if len(rep.Journal.Violations) > 0 {
		t.Errorf("violations: %v", rep.Journal.Violations)
	}
}
