package isolation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/testing/harness/expect"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/repeats"
)

// twice is a job of two runs on two agents, gathered.
const twice = `job: twice
clients:
- {on: all, agents: 2}
load: {path: %s, runtime: 1s, consumer_count: 1, chunk_size: 4KiB, file_size: 64KiB, rate: {bytes: 1MiB}}
gather: {timeout: 1m}
repeat: 2
pause: %s
`

// jobFile writes a job, and the folder that its agents may use.
func jobFile(t *testing.T, pause string) (path, folder string) {
	t.Helper()
	folder = t.TempDir()
	path = filepath.Join(t.TempDir(), "job.yaml")
	expect.NoError(t, os.WriteFile(path, []byte(fmt.Sprintf(twice, folder, pause)), 0o600))
	return path, folder
}

// startAgents starts agents that wait for tasks until the test ends.
func startAgents(t *testing.T, addr, folder string, names ...string) {
	t.Helper()
	for _, name := range names {
		cmd := exec.Command(filepath.Join(bin, "bulkhead"), "agent", "--supervisor", addr, "--name", name, "--allow",
			folder+":100MiB", "--work-dir", filepath.Dir(newStateDir(t)))
		var log strings.Builder
		cmd.Stderr = &log
		expect.NoError(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
			_ = cmd.Wait()                          // which ends its client, too
			if t.Failed() {
				t.Logf("agent %s:\n%s", name, &log)
			}
		})
	}
}

// summary returns what the newest job of a state directory came to.
func summary(t *testing.T, stateDir string) *repeats.Summary {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(stateDir, "jobs", "latest", repeats.JSONFile))
	expect.NoError(t, err)
	s := new(repeats.Summary)
	expect.NoError(t, json.Unmarshal(data, s))
	return s
}

// bothRuns checks that the job had its two runs, each complete and once, and nothing else is there.
func bothRuns(t *testing.T, s *running) {
	t.Helper()
	sum := summary(t, s.StateDir)
	if len(sum.Runs) != 2 || !sum.Complete() || sum.Failure != "" {
		t.Errorf("the job came to %s, %q: %+v", sum.Text, sum.Failure, sum.Runs)
	}
	runs, err := filepath.Glob(filepath.Join(s.StateDir, "runs", "2*"))
	expect.NoError(t, err)
	for _, dir := range runs {
		if _, err := os.Stat(filepath.Join(dir, report.FileName)); err != nil {
			if entries, _ := os.ReadDir(filepath.Join(dir, "journal")); len(entries) > 0 {
				t.Errorf("%s has a journal and no report", dir)
			}
			continue
		}
		found, err := journal.Check(filepath.Join(dir, "journal"))
		expect.NoError(t, err)
		expect.NoError(t, found.Err())
	}
	leftover, err := filepath.Glob(filepath.Join(s.StateDir, "jobs", "latest", ".tmp-*"))
	if err != nil || len(leftover) > 0 {
		t.Errorf("left are %v; %v", leftover, err)
	}
}

// endsComplete waits until a supervisor ends by itself.
func endsComplete(t *testing.T, s *running) {
	t.Helper()
	if code, err := s.Wait(patience); err != nil || code != exitComplete {
		t.Fatalf("the supervisor ended with %d; %v; want %d", code, err, exitComplete)
	}
}

// A supervisor that was started for a job and is killed, at any moment of it, goes on with it when it is
// started again: each run is had once.
func TestAJobGoesOnWhereItsSupervisorWasKilled(t *testing.T) {
	t.Parallel()
	programs, err := faulty()
	expect.NoError(t, err)
	for _, point := range []string{
		"supervisor/job-noted=kill", "supervisor/job-begun=kill", "supervisor/before-gather-ended=kill",
		"supervisor/after-gather-ended=kill", "supervisor/before-report=kill", "supervisor/after-report=kill",
		"supervisor/job-run-over=kill", "supervisor/job-noted=kill@2", "supervisor/job-begun=kill@2",
	} {
		t.Run(strings.NewReplacer("supervisor/", "", "=kill", "").Replace(point), func(t *testing.T) {
			t.Parallel()
			job, folder := jobFile(t, "100ms")
			state := newStateDir(t)
			cmd := commandFrom(programs, state, "--job", job)
			cmd.Env = append(os.Environ(), "BULKHEAD_FAILPOINTS="+point)
			s := startCommand(t, cmd)
			startAgents(t, s.Addr, folder, "alpha", "beta")
			var end *exec.ExitError
			if code, err := s.Wait(patience); !errors.As(err, &end) || end.String() != "signal: killed" {
				t.Fatalf("the supervisor was to be killed, and ended with %d; %v", code, err)
			}
			next := startCommand(t, command(state, "--listen", s.Addr, "--job", job))
			endsComplete(t, next)
			bothRuns(t, next)
		})
	}
}

// A job goes on through upgrades of its supervisor in a run and between two.
func TestAJobGoesOnThroughUpgrades(t *testing.T) {
	t.Parallel()
	job, folder := jobFile(t, "2s")
	s := startCommand(t, command(newStateDir(t), "--job", job))
	startAgents(t, s.Addr, folder, "alpha", "beta")
	between := func() error {
		if st := s.status(); st.GetExpectedClients() != 1 || len(st.GetSessions()) > 0 {
			return fmt.Errorf("expected are %d clients", st.GetExpectedClients())
		}
		return nil
	}
	expect.Eventually(t, func() error {
		if n := s.status().GetJoinedClients(); n != 2 {
			return fmt.Errorf("%d clients", n)
		}
		return nil
	})
	if said, err := s.upgrade(bin); err != nil {
		t.Fatalf("upgrade in a run: %v\n%s", err, said)
	}
	s.restarts(1)
	expect.Eventually(t, between)
	if said, err := s.upgrade(bin); err != nil {
		t.Fatalf("upgrade between two runs: %v\n%s", err, said)
	}
	endsComplete(t, s)
	bothRuns(t, s)
}

// A job that a command has run goes on through an upgrade in mid-run, and so does the command: both runs
// are had, and it ends with their status.
func TestACommandsJobGoesOnThroughAnUpgrade(t *testing.T) {
	t.Parallel()
	job, folder := jobFile(t, "100ms")
	s := startCommand(t, command(newStateDir(t), "--keep-running"))
	startAgents(t, s.Addr, folder, "alpha", "beta")
	ended := startJob(t, s.StateDir, job)
	expect.Eventually(t, func() error {
		if n := s.status().GetJoinedClients(); n != 2 {
			return fmt.Errorf("%d clients", n)
		}
		return nil
	})
	if told, err := s.upgrade(bin); err != nil {
		t.Fatalf("upgrade in a run: %v\n%s", err, told)
	}
	s.restarts(1)
	ended(exitComplete)
	if sum := summary(t, s.StateDir); len(sum.Runs) != 2 || !sum.Complete() || sum.Failure != "" {
		t.Errorf("the job came to %s, %q: %+v", sum.Text, sum.Failure, sum.Runs)
	}
}

// A job that a command has run goes on, and the command with it, where its supervisor was killed between
// the moment in which it knew of a run and that in which it told the command.
func TestACommandsJobGoesOnWhereItsSupervisorWasKilled(t *testing.T) {
	t.Parallel()
	programs, err := faulty()
	expect.NoError(t, err)
	for _, point := range []string{
		"supervisor/job-taken=kill", "supervisor/job-noted=kill", "supervisor/job-begun=kill",
		"supervisor/job-run-over=kill", "supervisor/job-noted=kill@2", "supervisor/job-begun=kill@2",
	} {
		t.Run(strings.NewReplacer("supervisor/", "", "=kill", "").Replace(point), func(t *testing.T) {
			t.Parallel()
			job, folder := jobFile(t, "100ms")
			state := newStateDir(t)
			cmd := commandFrom(programs, state, "--keep-running")
			cmd.Env = append(os.Environ(), "BULKHEAD_FAILPOINTS="+point)
			s := startCommand(t, cmd)
			startAgents(t, s.Addr, folder, "alpha", "beta")
			ended := startJob(t, state, job)
			var end *exec.ExitError
			if code, err := s.Wait(patience); !errors.As(err, &end) || end.String() != "signal: killed" {
				t.Fatalf("the supervisor was to be killed, and ended with %d; %v", code, err)
			}
			next := startCommand(t, command(state, "--listen", s.Addr, "--keep-running"))
			ended(exitComplete)
			expect.NoError(t, next.Signal(syscall.SIGTERM))
			endsComplete(t, next)
			bothRuns(t, next)
		})
	}
}

// startJob runs a job with a command; what it returns waits for that to end, with one of some statuses.
func startJob(t *testing.T, stateDir, job string) (ended func(status ...int)) {
	t.Helper()
	run := exec.Command(filepath.Join(bin, "bulkhead"), "run", job, "--state-dir", stateDir)
	var said strings.Builder
	run.Stderr = &said
	expect.NoError(t, run.Start())
	end := make(chan error, 1)
	go func() { end <- run.Wait() }() // ends with the command
	t.Cleanup(func() { _ = run.Process.Kill() })
	return func(status ...int) {
		t.Helper()
		select {
		case err := <-end:
			if !slices.Contains(status, run.ProcessState.ExitCode()) {
				t.Fatalf("the command ended with %v; want status %v:\n%s", err, status, &said)
			}
		case <-time.After(patience):
			t.Fatalf("the command has not ended:\n%s", &said)
		}
	}
}

// A supervisor that fails as the last run of a job is over leaves the job to the next one, as a supervisor
// does that is killed.
func TestAJobIsLeftByASupervisorThatFails(t *testing.T) {
	t.Parallel()
	job, folder := jobFile(t, "100ms")
	state := newStateDir(t)
	s := startCommand(t, command(state, "--keep-running"))
	startAgents(t, s.Addr, folder, "alpha", "beta")
	ended := startJob(t, state, job)
	var inTheWay string
	expect.Eventually(t, func() error {
		campaign, err := os.ReadFile(filepath.Join(state, "jobs", "latest", "campaign.json"))
		if err != nil {
			return err
		}
		var c struct {
			Runs []struct {
				RunID string `json:"run_id"`
			}
		}
		if err := json.Unmarshal(campaign, &c); err != nil || len(c.Runs) < 2 {
			return fmt.Errorf("%d runs; %v", len(c.Runs), err)
		}
		inTheWay = filepath.Join(state, "runs", c.Runs[1].RunID, report.FileName)
		return os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700)
	})
	if code, err := s.Wait(patience); code != exitFailure {
		t.Fatalf("the supervisor was to fail, and ended with %d; %v", code, err)
	}
	expect.NoError(t, os.RemoveAll(inTheWay))
	next := startCommand(t, command(state, "--listen", s.Addr, "--keep-running"))
	ended(exitComplete)
	expect.NoError(t, next.Signal(syscall.SIGTERM))
	endsComplete(t, next)
	bothRuns(t, next)
}
