// Package harness runs the real bulkhead programs for tests and benchmarks: it
// builds them, starts a supervisor as a process of its own and follows its log.
package harness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build builds the programs into dir, with extra flags for go build, and returns
// dir.
func Build(dir string, flags ...string) (string, error) {
	// As make build does; flags may have other tags.
	args := append([]string{"build", "-tags", "grpcnotrace", "-o", dir + string(filepath.Separator)}, flags...)
	for _, program := range []string{"bulkhead", "bulkhead-handler"} {
		cmd := exec.Command("go", append(slices.Clone(args), "bulkhead/cmd/"+program)...)
		if !slices.Contains(flags, "-race") { // as make build does; the race detector needs cgo
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", program, err, out)
		}
	}
	return dir, nil
}

// LogLine is one line of a supervisor's JSON log.
type LogLine map[string]any

// Text returns a field of the line as text; "" if it is not there.
func (l LogLine) Text(key string) string {
	if v, ok := l[key]; ok {
		return fmt.Sprint(v)
	}
	return ""
}

// Supervisor is a running `bulkhead supervisor start`.
type Supervisor struct {
	// Addr is where clients connect, RunDir the folder of the first run.
	Addr, StateDir, RunDir string
	// Stdout is what it printed; read it after Wait.
	Stdout bytes.Buffer

	cmd  *exec.Cmd
	done chan struct{}
	err  error // of cmd.Wait; written before done is closed

	mu      sync.Mutex
	lines   []LogLine     // guarded by mu
	changed chan struct{} // guarded by mu; closed and replaced at every line
}

// StartSupervisor starts a supervisor from the programs in bin, on a free port,
// and returns when clients can connect. args are further flags.
func StartSupervisor(bin, stateDir string, args ...string) (*Supervisor, error) {
	s, err := Start(SupervisorCommand(bin, stateDir, args...), stateDir)
	if err != nil {
		return nil, err
	}
	if err := s.AwaitReady(30 * time.Second); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// SupervisorCommand returns the command that starts a supervisor from the programs in
// bin, on a free port unless args say --listen. The caller may change its
// environment and descriptors.
func SupervisorCommand(bin, stateDir string, args ...string) *exec.Cmd {
	args = append([]string{"supervisor", "start", "--listen", "127.0.0.1:0", "--state-dir", stateDir, "--log-format",
		"json"}, args...)
	return exec.Command(filepath.Join(bin, "bulkhead"), args...)
}

// Start starts a SupervisorCommand and follows its log. It does not wait until
// clients can connect, and a supervisor that refuses to start is no error here: see
// AwaitReady and Wait.
func Start(cmd *exec.Cmd, stateDir string) (*Supervisor, error) {
	s := &Supervisor{StateDir: stateDir, cmd: cmd, done: make(chan struct{}), changed: make(chan struct{})}
	cmd.Stdout = &s.Stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process
		s.follow(stderr)
		s.err = s.cmd.Wait()
		close(s.done)
		s.mu.Lock()
		close(s.changed)
		s.changed = nil
		s.mu.Unlock()
	}()
	return s, nil
}

// AwaitReady waits until clients can connect and fills in Addr and RunDir.
func (s *Supervisor) AwaitReady(within time.Duration) error {
	ready, err := s.Await(within, func(l LogLine) bool { return l.Text("msg") == "supervisor ready" })
	if err != nil {
		return fmt.Errorf("the supervisor does not get ready: %w", err)
	}
	s.Addr, s.RunDir = ready.Text("listen"), ready.Text("run_dir")
	return nil
}

// follow reads the log to its end.
func (s *Supervisor) follow(r io.Reader) {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		line := LogLine{}
		if json.Unmarshal(sc.Bytes(), &line) != nil {
			line = LogLine{"msg": sc.Text()}
		}
		s.mu.Lock()
		s.lines = append(s.lines, line)
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
	}
}

// Await waits for a log line that match accepts, old ones included.
func (s *Supervisor) Await(within time.Duration, match func(LogLine) bool) (LogLine, error) {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for seen := 0; ; {
		s.mu.Lock()
		lines, changed := s.lines[seen:], s.changed
		seen = len(s.lines)
		s.mu.Unlock()
		for _, l := range lines {
			if match(l) {
				return l, nil
			}
		}
		if changed == nil {
			return nil, fmt.Errorf("the supervisor ended (%v) after:\n%s", s.err, s.Log())
		}
		select {
		case <-changed:
		case <-deadline.C:
			return nil, fmt.Errorf("no such line within %s; the log:\n%s", within, s.Log())
		}
	}
}

// Log returns the log so far, a line each.
func (s *Supervisor) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, l := range s.lines {
		fmt.Fprintf(&b, "%v\n", map[string]any(l))
	}
	return b.String()
}

// Done returns a channel that is closed when the supervisor has ended.
func (s *Supervisor) Done() <-chan struct{} { return s.done }

// Pid returns the supervisor's process id.
func (s *Supervisor) Pid() int { return s.cmd.Process.Pid }

// Signal sends a signal to the supervisor.
func (s *Supervisor) Signal(sig syscall.Signal) error { return s.cmd.Process.Signal(sig) }

// Kill ends the supervisor with SIGKILL, if it still runs, and waits.
func (s *Supervisor) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.done
}

// Wait waits for the end and returns the exit status, or an error if the
// supervisor does not end in time or a signal ended it.
func (s *Supervisor) Wait(within time.Duration) (int, error) {
	select {
	case <-s.done:
	case <-time.After(within):
		return -1, fmt.Errorf("the supervisor has not ended within %s; its log:\n%s", within, s.Log())
	}
	var exit *exec.ExitError
	switch {
	case s.err == nil:
		return 0, nil
	case errors.As(s.err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	default:
		return -1, s.err
	}
}

// Report returns report.json of the run.
func (s *Supervisor) Report() (map[string]any, error) {
	data, err := os.ReadFile(filepath.Join(s.RunDir, "report.json"))
	if err != nil {
		return nil, err
	}
	var v map[string]any
	return v, json.Unmarshal(data, &v)
}
