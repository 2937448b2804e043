package faults_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
)

// gatherPoints are where a supervisor that gathers two clients is killed: when one or both are ready,
// around its decision, and when none, one or both were told of it.
var gatherPoints = []string{
	"ready-durable=kill@1", "ready-durable=kill@2", "before-gather-ended=kill@1", "after-gather-ended=kill@1",
	"before-begin-sent=kill@1", "after-begin-sent=kill@1", "before-begin-sent=kill@2", "after-begin-sent=kill@2",
}

// TestAGatherSurvivesItsSupervisor kills the supervisor at each point of a gather: whoever follows it
// lets both clients begin, each once, and both do their whole load.
func TestAGatherSurvivesItsSupervisor(t *testing.T) {
	for _, point := range gatherPoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, settings{clients: 2, more: []string{"--gather", patience.String()},
				failpoints: "supervisor/" + point})
			both := w.gathered()
			select {
			case <-w.Done():
			case <-time.After(patience):
				t.Fatalf("the supervisor did not reach supervisor/%s", point)
			}
			w.again(false)
			w.checkGathered(both)
		})
	}
}

// TestAGatherIsDurableBeforeAnyClientIsTold stops the supervisor as it is about to tell the first client
// of its decision: the journal has it by then.
func TestAGatherIsDurableBeforeAnyClientIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 2, more: []string{"--gather", patience.String()},
		failpoints: "supervisor/before-begin-sent=stop@1"})
	both := w.gathered()
	inState(t, w.Pid(), "T")
	decided := 0
	_, err := journal.Replay(filepath.Join(w.runDir, "journal"), func(r *bulkheadv1.Record) error {
		e := r.GetGatherEnded()
		if e.GetHow() == bulkheadv1.GatherEnd_GATHER_END_COMPLETE && e.GetBeginElapsedNano() > 0 {
			decided++
		}
		return nil
	})
	expect.NoError(t, err)
	expect.NoError(t, w.Signal(syscall.SIGCONT))
	if decided == 0 {
		t.Error("a client is told to begin before the journal says that and when")
	}
	w.checkGathered(both)
}

// TestAGatherForgetsNoneThatIsExcused kills the supervisor after a client that was ready was drained
// alone: the next one does not wait for it either.
func TestAGatherForgetsNoneThatIsExcused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 3, more: []string{"--gather", patience.String()}})
	list := w.gathered("a", "b")
	w.awaitReady(2)
	expect.NoError(t, exec.Command(filepath.Join(w.bin, "bulkhead"), "supervisor", "drain", "--client", "b",
		"--state-dir", w.settings.stateDir).Run())
	w.awaitReady(1)
	expect.NoError(t, w.Signal(syscall.SIGKILL))
	<-w.Done()
	w.again(false)
	list = append(list, w.gathered("c")...)
	w.wait(list)
	rep := w.checkJournal()
	if g := rep.Run.Gather; g == nil || g.End != report.GatherComplete || g.Ready != 2 {
		t.Errorf("the gather is %+v; want it complete with a and c", g)
	}
	for _, c := range rep.Clients {
		if c.Name == "b" && (c.Gathered != report.GatheredExcused || c.Bytes > 0) {
			t.Errorf("b is %q and wrote %d bytes; want it excused", c.Gathered, c.Bytes)
		}
	}
}

// TestAGatherSurvivesAnUpgrade executes the supervisor's program anew while one client is ready.
func TestAGatherSurvivesAnUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 2, more: []string{"--gather", patience.String()}})
	a := w.gathered("a")
	w.awaitReady(1)
	must1(w.upgrade())(t)
	b := w.gathered("b")
	w.checkGathered(append(a, b...))
}

// TestAClientDiesWhenItIsReady kills a client that waits: it is waited for again, and another of its
// name takes its place.
func TestAClientDiesWhenItIsReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 2, grace: time.Second, more: []string{"--gather", patience.String()}})
	dead := w.gathered("a")
	w.awaitReady(1)
	dead[0].Kill()
	w.awaitReady(0)
	both := w.gathered()
	code := w.wait(both)
	if code != exitPartial { // for the client that died
		t.Errorf("the supervisor exited with %d; want %d", code, exitPartial)
	}
	rep := w.checkJournal()
	began := 0
	for _, c := range rep.Clients {
		if c.Gathered == report.GatheredReady || c.Gathered == report.GatheredLate {
			began++
		}
		if c.Outcome == report.OutcomeLost && (c.Gathered != report.GatheredNot || c.Bytes > 0) {
			t.Errorf("the client that died is %q and wrote %d bytes", c.Gathered, c.Bytes)
		}
	}
	if g := rep.Run.Gather; g == nil || g.End != report.GatherComplete || began != 2 {
		t.Errorf("the gather is %+v, and %d clients began; want two", g, began)
	}
}

// TestAGatherIsGivenUp has one client too few: it ends without having written.
func TestAGatherIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 2, more: []string{"--gather", "3s"}})
	a := w.gathered("a")
	if code := w.wait(a); code != exitPartial {
		t.Errorf("the supervisor exited with %d; want %d", code, exitPartial)
	}
	rep := w.checkJournal()
	if g := rep.Run.Gather; g == nil || g.End != report.GatherAborted || rep.Totals.Bytes != 0 {
		t.Errorf("the gather is %+v, and %d bytes were written; want it given up, and none", g, rep.Totals.Bytes)
	}
}

// gathered starts real clients that write for a second, "a" and "b" if none is named.
func (w *world) gathered(names ...string) (list []*harness.Client) {
	w.t.Helper()
	if len(names) == 0 {
		names = []string{"a", "b"}
	}
	for _, name := range names {
		list = append(list, w.client(name, w.addr, "--runtime", "1s"))
	}
	return list
}

// awaitReady waits until so many clients are ready.
func (w *world) awaitReady(n uint32) {
	w.t.Helper()
	expect.Eventually(w.t, func() error {
		s, err := w.status()
		if err == nil && (s.GetGather() == nil || s.GetGather().GetReady() != n) {
			err = fmt.Errorf("the gather is %v; want %d clients ready", s.GetGather(), n)
		}
		return err
	})
}

// wait waits for the end of clients and of the supervisor, and returns its exit status.
func (w *world) wait(list []*harness.Client) int {
	w.t.Helper()
	for _, c := range list {
		_, _ = c.Wait(patience) // the report says how it went
	}
	code, err := w.Wait(patience)
	expect.NoError(w.t, err)
	return code
}

// checkGathered checks that all clients began and did their load.
func (w *world) checkGathered(list []*harness.Client) {
	w.t.Helper()
	if code := w.wait(list); code != exitComplete {
		w.t.Errorf("the supervisor exited with %d; want %d", code, exitComplete)
	}
	rep := w.checkJournal()
	g := rep.Run.Gather
	if g == nil || g.End != report.GatherComplete || g.Ready != 2 || g.BeginAt == 0 {
		w.t.Fatalf("the gather is %+v; want a complete one", g)
	}
	for i := range rep.Clients {
		c := &rep.Clients[i]
		if c.LoadBeganAt == 0 || c.Bytes == 0 || c.Outcome != closed || c.LoadLateNano < -c.RoundTripNano {
			w.t.Errorf("client %s: %s, %d bytes, %q, began at %v, %d ns late", c.Name, c.Outcome, c.Bytes, c.Gathered,
				c.LoadBeganAt, c.LoadLateNano)
		}
	}
	w.accounted()
}
