package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// togetherPoints are where a supervisor is killed whose two clients come to a stage that begins for both
// together: when one or both have come, around its decision, and when none, one or both were told of it.
var togetherPoints = []string{
	"stage-ready-durable=kill@1", "stage-ready-durable=kill@2", "before-stage-gathered=kill@1",
	"after-stage-gathered=kill@1", "before-stage-begin-sent=kill@1", "after-stage-begin-sent=kill@1",
	"before-stage-begin-sent=kill@2", "after-stage-begin-sent=kill@2",
}

// TestAStageThatBeginsTogetherSurvivesItsSupervisor kills the supervisor at each point before such a
// stage: whoever follows it lets both clients begin it, each once, and both do their whole load.
func TestAStageThatBeginsTogetherSurvivesItsSupervisor(t *testing.T) {
	for _, point := range togetherPoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, settings{clients: 2, more: []string{"--gather", patience.String()},
				failpoints: "supervisor/" + point})
			both := w.staged("1m", "a", "b")
			select {
			case <-w.Done():
			case <-time.After(patience):
				t.Fatalf("the supervisor did not reach supervisor/%s", point)
			}
			w.again(false)
			w.checkStaged(both)
		})
	}
}

// staged starts real clients with a stage of half a second and one that begins together.
func (w *world) staged(timeout string, names ...string) (list []*harness.Client) {
	w.t.Helper()
	file := filepath.Join(w.dir, "staged.yaml")
	const rate = "rate: {bytes: 4MiB}"
	expect.NoError(w.t, os.WriteFile(file, []byte("stages:\n- {name: first, duration: 500ms, "+rate+"}\n"+
		"- {name: peak, duration: 1s, "+rate+", together: true, together_timeout: "+timeout+"}\n"), 0o600))
	for _, name := range names {
		list = append(list, w.client(name, w.addr, "--config", file))
	}
	return list
}

// checkStaged checks that all clients went through both stages.
func (w *world) checkStaged(list []*harness.Client) {
	w.t.Helper()
	if code := w.wait(list); code != exitComplete {
		w.t.Errorf("the supervisor exited with %d; want %d", code, exitComplete)
	}
	rep := w.checkJournal()
	if len(rep.Stages) != 2 {
		w.t.Fatalf("%d stages", len(rep.Stages))
	}
	if g := rep.Stages[1].Gather; g == nil || g.End != report.GatherComplete || g.Ready != len(list) ||
		len(g.Alone) > 0 {
		w.t.Errorf("the stage was gathered as %+v; want it complete", g)
	}
	for _, s := range rep.Stages {
		if s.Clients != len(list) || s.Finished != len(list) || s.Bytes == 0 {
			w.t.Errorf("stage %s: %+v", s.Name, s)
		}
	}
	w.accounted()
}

// awaitCome waits until so many clients wait before the stage peak.
func (w *world) awaitCome(n uint32) {
	w.t.Helper()
	expect.Eventually(w.t, func() error {
		s, err := w.status()
		if err == nil && (len(s.GetStageWaits()) != 1 || s.GetStageWaits()[0].GetGather().GetReady() != n) {
			err = fmt.Errorf("the stages that wait are %v; want %d clients ready", s.GetStageWaits(), n)
		}
		return err
	})
}

// TestAStageThatBeginsTogetherSurvives has one client at the stage when something happens, and lets the
// other come then: the client that is behind is stopped meanwhile.
func TestAStageThatBeginsTogetherSurvives(t *testing.T) {
	for name, disturb := range map[string]func(w *world){
		"an upgrade": func(w *world) { must1(w.upgrade())(w.t) },
		"its handlers": func(w *world) {
			for _, pid := range w.handlers() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			w.session("a", func(s *bulkheadv1.SessionStatus) bool {
				return s.GetResumes() > 0 && s.GetState() == "active"
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, settings{clients: 2, more: []string{"--gather", patience.String()}})
			both := w.staged("5m", "a", "b")
			w.stopBehind(both)
			disturb(w)
			w.awaitCome(1)
			expect.NoError(t, both[1].Signal(syscall.SIGCONT))
			w.checkStaged(both)
		})
	}
}

// stopBehind stops the second client in its first stage, and waits until the first waits for it.
func (w *world) stopBehind(both []*harness.Client) {
	w.t.Helper()
	w.session("b", func(s *bulkheadv1.SessionStatus) bool { return s.GetStage() == 1 })
	expect.NoError(w.t, both[1].Signal(syscall.SIGSTOP))
	w.awaitCome(1)
}

// TestAClientStopsBeforeAStageThatBeginsTogether stops a client for longer than it is waited for: the
// other begins without it, and it is late, and does its whole load.
func TestAClientStopsBeforeAStageThatBeginsTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 2, more: []string{"--gather", patience.String()}})
	both := w.staged("2s", "a", "b")
	w.stopBehind(both)
	w.session("a", func(s *bulkheadv1.SessionStatus) bool { return s.GetStage() == 2 })
	expect.NoError(t, both[1].Signal(syscall.SIGCONT))
	if code := w.wait(both); code != exitComplete {
		t.Errorf("the supervisor exited with %d; want %d", code, exitComplete)
	}
	rep := w.checkJournal()
	s := rep.Stages[1]
	if g := s.Gather; g == nil || g.End != report.GatherShort || g.Ready != 1 || len(g.Missing) != 1 ||
		g.Missing[0].Name != "b" || !slices.Equal(g.Late, []string{"b"}) || s.Finished != 2 {
		t.Errorf("the stage was gathered as %+v, and %d clients finished it", g, s.Finished)
	}
	if !slices.ContainsFunc(rep.Findings, func(f report.Finding) bool {
		return f.Kind == report.FindingStages && strings.Contains(f.Text, "timed out")
	}) {
		t.Errorf("findings: %+v; want the wait that timed out", rep.Findings)
	}
	w.accounted()
}

// TestAClientDiesBeforeAStageThatBeginsTogether kills a client for which another waits: it is not waited
// for once it is lost.
func TestAClientDiesBeforeAStageThatBeginsTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{clients: 2, grace: time.Second, more: []string{"--gather", patience.String()}})
	both := w.staged("5m", "a", "b")
	w.stopBehind(both)
	both[1].Kill()
	if code := w.wait(both[:1]); code != exitPartial {
		t.Errorf("the supervisor exited with %d; want %d", code, exitPartial)
	}
	rep := w.checkJournal()
	if g := rep.Stages[1].Gather; g == nil || g.End != report.GatherComplete || g.Ready != 1 {
		t.Errorf("the stage was gathered as %+v; want it complete with a alone", g)
	}
}
