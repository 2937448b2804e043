package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// check waits for the end of the job, and checks what became of everybody.
func (w *fleetWorld) check() {
	w.t.Helper()
	select {
	case err := <-w.jobEnd:
		code := w.job.ProcessState.ExitCode()
		fits := code == w.want.code || w.want.code == anyCode ||
			w.want.code == partly && (code == exitPartial || code == exitstatus.Interrupted)
		if !fits {
			w.t.Errorf("the job exited with %d (%v); want %d", code, err, w.want.code)
		}
	case <-time.After(2 * patience):
		w.t.Fatal("the job does not end")
	}
	if !strings.Contains(w.said.String(), w.want.refused) {
		w.t.Errorf("the job says nothing of %q", w.want.refused)
	}
	w.awaitAgents()
	runs := w.runsOfJob()
	wants := slices.DeleteFunc([]string{w.want.first, w.want.second}, func(s string) bool {
		return s == none || s == ""
	})
	if len(runs) != len(wants) && w.want.second != "" || len(runs) < len(wants) {
		w.t.Fatalf("%d runs were made; want %d", len(runs), len(wants))
	}
	for i, want := range wants {
		w.checkRun(runs[i], want, i == 0)
	}
	for _, name := range []string{"alpha", "beta"} {
		a := w.agents[name]
		expect.NoError(w.t, a.Process.Signal(syscall.SIGTERM))
		a.await(w.t)
		for _, dir := range []string{name, "w-" + name} {
			left, err := os.ReadDir(filepath.Join(w.dir, dir))
			if err != nil || len(left) > 0 && w.want.first != anyEnd {
				w.t.Errorf("in %s are %v, %v", dir, left, err)
			}
		}
	}
	expect.NoError(w.t, w.Signal(syscall.SIGTERM))
	_, err := w.Wait(patience)
	expect.NoError(w.t, err)
	expect.Eventually(w.t, func() error {
		left, err := harness.WithEnvironment("BULKHEAD_WORK_DIR=" + w.dir + "/")
		if more := w.processes(); err == nil && len(left)+len(more) > 0 {
			err = fmt.Errorf("processes left: %v, %v", left, more)
		}
		return err
	})
}

// runsOfJob returns the reports of the job's runs, once each is reported.
func (w *fleetWorld) runsOfJob() (runs []*report.Report) {
	w.t.Helper()
	expect.Eventually(w.t, func() error {
		runs = nil
		dirs, err := filepath.Glob(filepath.Join(w.StateDir, "runs", "2*"))
		for _, dir := range dirs { // in the order of their begin
			rep, no := fold.FromJournal(filepath.Join(dir, "journal"))
			if no != nil || rep.Run.Job == nil {
				continue
			}
			if _, no := os.Stat(filepath.Join(dir, "report.json")); no != nil {
				return no
			}
			runs = append(runs, rep)
			checked, no := journal.Check(filepath.Join(dir, "journal"))
			if no == nil {
				no = checked.Err()
			}
			if no != nil {
				w.t.Errorf("%s: %v", dir, no)
			}
		}
		return err
	})
	return runs
}

// checkRun checks how the clients of one run ended.
func (w *fleetWorld) checkRun(rep *report.Report, want string, first bool) {
	w.t.Helper()
	if w.moment == atStageChange && want == closed {
		for _, s := range rep.Stages {
			if len(rep.Stages) != 2 || s.Clients != 2 || s.Finished != 2 || s.Consumers != 2 || s.Bytes == 0 {
				w.t.Errorf("stage %s of %d: begun by %d clients and %d consumers, finished by %d; %d bytes", s.Name,
					len(rep.Stages), s.Clients, s.Consumers, s.Finished, s.Bytes)
			}
		}
	}
	aborted := rep.Run.Gather != nil && rep.Run.Gather.End == report.GatherAborted
	for _, name := range []string{"alpha", "beta", "gamma"} {
		got := expect.Client(w.t, rep, name)
		how := got.Outcome
		if how == closed && got.Load == report.LoadInterrupted || how == closed && got.Bytes == 0 {
			how = cutShort
		}
		switch {
		case name != "beta" && aborted && first:
			if got.Outcome != closed || got.Bytes > 0 {
				w.t.Errorf("%s of a run that was not begun is %s, and wrote %d bytes", name, got.Outcome, got.Bytes)
			}
		case name != "beta" && how != closed:
			w.t.Errorf("%s was disturbed: %s (%s), load %s", name, got.Outcome, got.Cause, got.Load)
		case name == "beta" && want == anyEnd && (how == closed || how == lost):
		case name == "beta" && how != want:
			w.t.Errorf("beta: %s (%s), load %s, %d bytes; want it %s", got.Outcome, got.Cause, got.Load, got.Bytes,
				want)
		}
	}
}
