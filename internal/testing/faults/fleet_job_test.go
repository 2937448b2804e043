package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// gate holds gamma's client, which joins last, until it is opened.
type gate struct {
	open chan struct{}
	once sync.Once
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// startJob starts `bulkhead run`.
func (w *fleetWorld) startJob() {
	schedule := "runtime: 3s, rate: {bytes: 1MiB}"
	if w.moment == atStageChange {
		schedule = "stages: [{name: one, duration: 1s, rate: {bytes: 1MiB}}, " +
			"{name: two, duration: 2s, pause: 2s, rate: {bytes: 1MiB}}]"
	}
	load := "{" + schedule + ", consumer_count: 1, chunk_size: 4KiB, file_size: 64KiB, " +
		"progress: {interval: 100ms}, heartbeat: {interval: 200ms, timeout: 100ms}}"
	file := filepath.Join(w.dir, "job.yaml")
	gather := "60s"
	if w.want.first != closed && (w.moment == inGather || w.moment == atDecision) {
		gather = "8s" // it is aborted
	}
	pause := "2s"
	if w.moment == betweenRuns {
		pause = "10s" // in which the report is seen, agents come back, and the fault is made
	}
	text := fmt.Sprintf("job: fleet\nclients:\n- {on: {name: alpha}, load: {path: %[1]s/alpha}}\n"+
		"- {on: {name: beta}, load: {path: %[1]s/beta}}\n- {on: {name: gamma}, load: {path: /nowhere}}\nload: %[2]s\n"+
		"gather: {timeout: %[3]s}\nrepeat: 2\npause: %[4]s\n", w.dir, load, gather,
		pause)
	expect.NoError(w.t, os.WriteFile(file, []byte(text), 0o600))
	w.job = exec.Command(filepath.Join(w.bin, "bulkhead"), "run", "--wait", patience.String(), "--state-dir",
		w.StateDir, file)
	w.job.Stdout, w.job.Stderr = &w.said, &w.said
	expect.NoError(w.t, w.job.Start())
	ended := make(chan struct{})
	go func() { w.jobEnd <- w.job.Wait(); close(ended) }() // ends with the process
	w.t.Cleanup(func() {
		_ = w.job.Process.Kill()
		<-ended
		if w.t.Failed() {
			w.t.Logf("the job said:\n%s", tail(w.said.String()))
		}
	})
}

// reach brings beta to the moment. release ends what holds it there.
func (w *fleetWorld) reach() (release func()) {
	w.t.Helper()
	resume := func(pid int) func() {
		return func() { _ = syscall.Kill(pid, syscall.SIGCONT) } // it may have been killed
	}
	if w.moment == checking {
		pid := w.agents["beta"].Process.Pid
		inState(w.t, pid, "T")
		w.findPeer()
		return resume(pid)
	}
	w.awaitReady(2)
	w.findPeer() // it stays so, but for the end of a run
	if w.moment == inGather {
		return func() {}
	}
	w.gamma.release()
	switch w.moment {
	case atDecision:
		inState(w.t, w.Pid(), "T")
		return resume(w.Pid())
	case betweenRuns:
		expect.Eventually(w.t, func() error {
			if !strings.Contains(w.said.String(), "3 of 3 clients closed") {
				return errNotYet
			}
			return nil
		})
		w.awaitAgents() // in the next run
		w.findPeer()
		return func() {}
	}
	expect.Eventually(w.t, func() error {
		if len(loadFiles(w.t, filepath.Join(w.dir, "beta"))) == 0 {
			return errNotYet
		}
		return nil
	})
	switch w.moment {
	case whileItWrites:
		return func() {}
	case atStageChange:
		w.session("beta", func(s *bulkheadv1.SessionStatus) bool {
			return s.GetStage() == 1 && s.GetStageLeftNano() == 0 || s.GetStage() == 2
		})
		return func() {}
	}
	client := w.agents["beta"].client(w.t)
	w.path.Hold(harness.Down) // it cannot end, for nothing is acknowledged
	expect.Eventually(w.t, func() error {
		left, err := harness.Children(client, "")
		if err == nil && len(left) > 0 {
			err = errNotYet
		}
		return err
	})
	return w.path.Release
}
