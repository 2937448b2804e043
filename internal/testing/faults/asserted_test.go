package faults_test

import (
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/supervisor/report"
)

// tooLow is what no client with a rate of 1 MB/s keeps.
const tooLow = "throughput > 1GB/s for 2s abort"

// slowClient starts a client with that rate.
func (w *world) slowClient() *harness.Client {
	w.t.Helper()
	return w.client("a", w.addr, "--rate-bytes", "500kB")
}

// checkBroken waits for the end, and checks that the run was drained for its threshold, once.
func (w *world) checkBroken(c *harness.Client) {
	w.t.Helper()
	if code := w.wait([]*harness.Client{c}); code != exitPartial {
		w.t.Errorf("the supervisor exited with %d; want %d", code, exitPartial)
	}
	rep := w.checkJournal()
	if list := rep.Run.Assertions; len(list) != 1 || list[0].State != report.AssertionBroken ||
		!strings.HasPrefix(list[0].Breach, "throughput was at most ") || !strings.HasSuffix(list[0].Value, "/s") {
		w.t.Errorf("the report has %+v; want the threshold broken, also in the whole", list)
	}
	if rep.Run.DrainCause != report.DrainByAssertion || !strings.HasPrefix(rep.Run.DrainReason, tooLow) {
		w.t.Errorf("the run was drained for %q: %q", rep.Run.DrainCause, rep.Run.DrainReason)
	}
	if why := strings.Join(rep.Verdict.Reasons, "\n"); !strings.Contains(why, tooLow) {
		w.t.Errorf("the reasons name no threshold: %s", why)
	}
	for i := range rep.Clients {
		if c := &rep.Clients[i]; c.Outcome != closed || c.Bytes == 0 || c.Load != report.LoadInterrupted {
			w.t.Errorf("client %s: %s, %d bytes, load %s; want it drained in order", c.Name, c.Outcome, c.Bytes, c.Load)
		}
	}
	w.accounted()
}

// TestABreachEndsARealRun has a client that is limited to less than what is asserted.
func TestABreachEndsARealRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 1, more: []string{"--assert", tooLow}})
	w.checkBroken(w.slowClient())
}

// TestABreachSurvivesItsSupervisor kills the supervisor when a breach is recorded, and the run not
// yet drained for it: the next one drains it.
func TestABreachSurvivesItsSupervisor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 1, more: []string{"--assert", tooLow},
		failpoints: "supervisor/after-breach=kill@1"})
	c := w.slowClient()
	select {
	case <-w.Done():
	case <-time.After(patience):
		t.Fatal("the supervisor did not see the breach")
	}
	w.again(false)
	w.checkBroken(c)
}

// TestAThresholdSurvivesAnUpgrade executes the supervisor's program anew before anything is known: it
// goes on to watch.
func TestAThresholdSurvivesAnUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 1, more: []string{"--assert", tooLow}})
	c := w.slowClient()
	w.logged("client joined")
	must1(w.upgrade())(t)
	w.checkBroken(c)
}
