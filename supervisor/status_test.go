package supervisor_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/control"
	"bulkhead/supervisor/report"
)

// statusOf asks the supervisor of a state directory how it is.
func statusOf(t *testing.T, stateDir string) *bulkheadv1.StatusResponse {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := control.Dial(ctx, stateDir)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer c.Close()
	s, err := c.Status(ctx, &bulkheadv1.StatusRequest{})
	if err != nil {
		t.Error(err)
	}
	return s
}

// While nothing is served, status reports whether a run is still to come or just over,
// and no time that it does not know.
func TestStatusBetweenRuns(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	asked := make(chan *bulkheadv1.StatusResponse, 1)
	ask := func(c *supervisor.Config) {
		c.StateDir = state
		tell := c.Report
		c.Report = func(rep *report.Report, dir string) {
			asked <- statusOf(t, state)
			tell(rep, dir)
		}
	}
	s := start(t, ask)
	s.serveWhole("alpha")
	s.wait()
	if got := <-asked; got.GetState() != "reporting" || got.GetRunId() != filepath.Base(s.dir) ||
		got.GetStartedUnixNano() <= 0 || got.GetRunDir() != s.dir || got.GetJoinedClients() != 1 {
		t.Errorf("status while the report is made: %v", got)
	}

	// The next supervisor finds a run without its report, and makes that first.
	for _, name := range []string{"report.txt", "report.json"} {
		must(t, os.Remove(filepath.Join(s.dir, name)))
	}
	start(t, func(c *supervisor.Config) { ask(c); c.KeepRunning = true })
	if got := <-asked; got.GetState() != "starting" || got.GetRunId() != "" || got.GetStartedUnixNano() != 0 {
		t.Errorf("status before the first run: %v", got)
	}
	if got := statusOf(t, state); got.GetState() != "waiting" || got.GetRunId() == filepath.Base(s.dir) {
		t.Errorf("status of the first run: %v", got)
	}
}
