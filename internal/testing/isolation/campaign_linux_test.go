package isolation_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/version"
)

// night is a short job on two agents.
const night = `job: night
clients:
- {on: all, agents: 2}
load: {path: %s, runtime: 200ms, consumer_count: 1, chunk_size: 4KiB, file_size: 16KiB, rate: {bytes: 1MiB}}
gather: {timeout: 1m}
`

// agentProcess starts an agent and returns its process and its working folder.
func agentProcess(t *testing.T, program, addr, folder, name string) (pid int, work string) {
	t.Helper()
	work = newStateDir(t)
	expect.NoError(t, os.Mkdir(work, 0o700))
	cmd := exec.Command(program, "agent", "--supervisor", addr, "--name", name, "--allow", folder+":100MiB",
		"--work-dir", work)
	expect.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	return cmd.Process.Pid, work
}

// held is what a process has.
type held struct{ descriptors, threads, children int }

func heldBy(t *testing.T, pid int) held {
	t.Helper()
	files, err := harness.OpenFiles(pid)
	expect.NoError(t, err)
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	expect.NoError(t, err)
	children, err := harness.Children(pid, "")
	expect.NoError(t, err)
	return held{len(files), len(threads), len(children)}
}

// entries returns how many entries a folder has; 0 if it is not there.
func entries(dir string) int {
	list, _ := os.ReadDir(dir)
	return len(list)
}

// Ten jobs in a night, one command each: a supervisor that keeps running, and agents that wait, have then what
// they had after the second, and a folder for each run and each job.
func TestTenJobsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	const jobs, spare = 10, 6 // Go's runtime makes a thread more at times
	folder := t.TempDir()
	job := filepath.Join(t.TempDir(), "job.yaml")
	expect.NoError(t, os.WriteFile(job, []byte(fmt.Sprintf(night, folder)), 0o600))
	s := startCommand(t, command(newStateDir(t), "--keep-running", "--handler-pool", "2"))
	program := filepath.Join(bin, "bulkhead")
	alpha, alphas := agentProcess(t, program, s.Addr, folder, "alpha")
	beta, betas := agentProcess(t, program, s.Addr, folder, "beta")
	what := []struct {
		name string
		pid  int
	}{{"the supervisor", s.Pid()}, {"alpha", alpha}, {"beta", beta}}
	before := make([]held, len(what))
	for n := 1; n <= jobs; n++ {
		startJob(t, s.StateDir, job)(exitComplete, exitPartial) // a load so short may end before the other begins
		if n == 2 {
			for i, w := range what {
				before[i] = heldBy(t, w.pid)
			}
		}
	}
	expect.Eventually(t, func() error {
		for i, w := range what {
			now, was := heldBy(t, w.pid), before[i]
			if now.descriptors > was.descriptors+spare || now.threads > was.threads+spare ||
				now.children > was.children+2 {
				return fmt.Errorf("%s had %+v after two jobs, and has %+v after %d", w.name, was, now, jobs)
			}
		}
		for dir, most := range map[string]int{
			filepath.Join(s.StateDir, "jobs"): jobs + 1,                // and the link to the latest
			filepath.Join(s.StateDir, "runs"): jobs + 1 + 2,            // and the run that waits, and two links
			s.StateDir:                        5, s.sockets: 2 + 2 + 4, // children, and what comes and goes
			folder: 0, alphas: 2, betas: 2,
		} {
			if n := entries(dir); n > most {
				return fmt.Errorf("%s has %d entries; at most %d are accounted for", dir, n, most)
			}
		}
		return nil
	})
	for _, dir := range []string{alphas, betas} {
		left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
		expect.NoError(t, err)
		for _, path := range left {
			if strings.Contains(path, "task-") {
				t.Errorf("%s is left of a task", path)
			}
		}
	}
	expect.NoError(t, s.Signal(syscall.SIGTERM))
	_, err := s.Wait(patience)
	expect.NoError(t, err)
}

// anotherVersion builds a program that is of another version, and otherwise the same.
func anotherVersion(t *testing.T, number string) (program string) {
	t.Helper()
	dir := t.TempDir()
	file, err := filepath.Abs(filepath.Join("..", "..", "version", "version.go"))
	expect.NoError(t, err)
	source, err := os.ReadFile(file)
	expect.NoError(t, err)
	changed := strings.Replace(string(source), `Number = "`+version.Number+`"`, `Number = "`+number+`"`, 1)
	expect.NoError(t, os.WriteFile(filepath.Join(dir, "version.go"), []byte(changed), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: filepath.Join(dir, "version.go")}})
	expect.NoError(t, err)
	expect.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	program = filepath.Join(dir, "bulkhead")
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-tags", "grpcnotrace", "-o",
		program, "bulkhead/cmd/bulkhead")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building a program of another version: %v\n%s", err, out)
	}
	return program
}

// Programs of two versions have a job together: the dry run, the beginning and each report say who has which.
func TestAJobOfTwoVersions(t *testing.T) {
	t.Parallel()
	mine, other := filepath.Join(bin, "bulkhead"), anotherVersion(t, "77.0.0")
	folder := t.TempDir()
	job := filepath.Join(t.TempDir(), "job.yaml")
	expect.NoError(t, os.WriteFile(job, []byte(fmt.Sprintf(night, folder)), 0o600))
	s := startCommand(t, command(newStateDir(t), "--keep-running"))
	agentProcess(t, mine, s.Addr, folder, "alpha")
	agentProcess(t, other, s.Addr, folder, "beta")
	says := regexp.MustCompile(`not all programs are of one version: the supervisor is ` +
		regexp.QuoteMeta(version.String()) + `; alpha: ` + regexp.QuoteMeta(version.String()) + `; beta: 77\.0\.0`)
	for _, more := range [][]string{{"--dry-run"}, nil} {
		args := append([]string{"run", job, "--state-dir", s.StateDir}, more...)
		out, err := exec.Command(mine, args...).CombinedOutput()
		if len(out) == 0 || !says.Match(out) {
			t.Errorf("run %v: %v\n%s", more, err, out)
		}
		if more == nil && !regexp.MustCompile(`(?m)^  - .*version`).Match(out) {
			t.Errorf("the report has no finding:\n%s", out)
		}
	}
	expect.NoError(t, s.Signal(syscall.SIGTERM))
	_, err := s.Wait(patience)
	expect.NoError(t, err)
}

// A client that is lost in one run, and does not know it, keeps its agent from none of those that follow: it
// is asked to end, and waited for.
func TestARunIsBegunAfterOneThatLostAClient(t *testing.T) {
	t.Parallel()
	job, folder := jobFile(t, "100ms")
	text, err := os.ReadFile(job)
	expect.NoError(t, err)
	expect.NoError(t, os.WriteFile(job, bytes.Replace(text, []byte("gather: {timeout: 1m}\n"), nil, 1), 0o600))
	state := newStateDir(t)
	s := startCommand(t, command(state, "--keep-running", "--session-grace", "1s", "--session-client-timeout", "2s"))
	program := filepath.Join(bin, "bulkhead")
	alpha, _ := agentProcess(t, program, s.Addr, folder, "alpha")
	agentProcess(t, program, s.Addr, folder, "beta")
	run := exec.Command(program, "run", job, "--state-dir", state)
	said, err := run.StderrPipe()
	expect.NoError(t, err)
	expect.NoError(t, run.Start())
	t.Cleanup(func() { _ = run.Process.Kill() })
	lines := make(chan string, 64)
	go func() { // ends with the command
		defer close(lines)
		for scan := bufio.NewScanner(said); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	expect.Eventually(t, func() error {
		for _, c := range s.status().GetSessions() {
			if c.GetName() == "alpha" && c.GetDurableSeq() > 0 {
				return nil
			}
		}
		return errors.New("alpha's client has said nothing")
	})
	clients, err := harness.Children(alpha, "")
	if err != nil || len(clients) != 1 {
		t.Fatalf("clients of alpha: %v; %v", clients, err)
	}
	client := clients[0]
	expect.NoError(t, syscall.Kill(client, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(client, syscall.SIGCONT) })
	late := time.After(patience)
	for begun := 0; begun < 2; {
		select {
		case line, more := <-lines:
			if !more {
				t.Fatalf("the command has ended after %d runs", begun)
			}
			if strings.Contains(line, "has begun") {
				begun++
			}
			if strings.Contains(line, "agent alpha, whose client of the run before has not ended") {
				expect.NoError(t, syscall.Kill(client, syscall.SIGCONT))
			}
		case <-late:
			t.Fatalf("%d runs have begun", begun)
		}
	}
	for range lines {
	}
	if err := run.Wait(); run.ProcessState.ExitCode() != exitPartial {
		t.Errorf("the command ended with %v; want status %d", err, exitPartial)
	}
	if sum := summary(t, state); len(sum.Runs) != 2 || sum.Failure != "" {
		t.Errorf("the job came to %s, %q: %+v", sum.Text, sum.Failure, sum.Runs)
	}
	expect.NoError(t, s.Signal(syscall.SIGTERM))
	_, err = s.Wait(patience)
	expect.NoError(t, err)
}
