package isolation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/control"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// Exit statuses of `bulkhead supervisor start`.
const (
	exitComplete = 0
	exitFailure  = 1
	exitConfig   = exitstatus.Config
	exitPartial  = 3
)

// running is a supervisor of a test, in a process of its own.
type running struct {
	*harness.Supervisor
	t       *testing.T
	sockets string // the folder of its children's sockets
	forbids bool   // handlers are told to do what their sandbox forbids
}

// start starts a supervisor in a state directory of its own, with times so long that
// only what the test is about can run out, unless args say otherwise.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	return startCommand(t, command(newStateDir(t), args...))
}

// newStateDir returns a folder with a path short enough to hold sockets, for one test.
func newStateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bh-")
	expect.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "state")
}

// stateCommand is a supervisor's command and its state directory.
type stateCommand struct {
	*exec.Cmd
	stateDir string
}

// command returns the command of start, for tests that change it first.
func command(stateDir string, args ...string) stateCommand {
	return commandFrom(bin, stateDir, args...)
}

// commandFrom does what command does, with the programs in another folder.
func commandFrom(bin, stateDir string, args ...string) stateCommand {
	long := patience.String()
	args = append([]string{
		"--linger", "0s", "--drain-timeout", long, "--log-level", "debug",
		"--handler-start-timeout", long, "--handler-kill-timeout", long,
		"--session-grace", long, "--session-hello-timeout", long, "--session-client-timeout", long,
		"--handler-orphan-grace", long, "--handler-hang-timeout", long,
		"--overload-crash-delay", "0s", // all clients have one address here
	}, args...)
	return stateCommand{harness.SupervisorCommand(bin, stateDir, args...), stateDir}
}

// startCommand starts a supervisor and waits until clients can connect. After the
// test it and all its children are killed if they still run.
func startCommand(t *testing.T, cmd stateCommand) *running {
	t.Helper()
	s := launch(t, cmd)
	expect.NoError(t, s.AwaitReady(patience))
	s.sockets = filepath.Join(s.StateDir, "sock")
	if target, err := os.Readlink(s.sockets); err == nil {
		s.sockets = target
	}
	return s
}

// launch starts a supervisor that may not get ready.
func launch(t *testing.T, cmd stateCommand) *running {
	t.Helper()
	hs, err := harness.Start(cmd.Cmd, cmd.stateDir)
	expect.NoError(t, err)
	s := &running{Supervisor: hs, t: t, sockets: filepath.Join(cmd.stateDir, "sock")}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of supervisor %d:\n%s", s.Pid(), s.tail())
		}
		s.Kill()
		for _, pid := range s.processes() {
			syscall.Kill(pid, syscall.SIGKILL) // the environment says that it is this test's
		}
	})
	return s
}

// tail returns the end of the supervisor's log.
func (s *running) tail() string {
	const most = 16 << 10
	log := s.Log()
	return log[max(0, len(log)-most):]
}

// processes returns all child processes the supervisor ever had that still run, also
// when they are no longer its children: each has the folder of its socket in its
// environment.
func (s *running) processes() []int {
	s.t.Helper()
	pids, err := harness.WithEnvironment("PLUGIN_UNIX_SOCKET_DIR=" + s.sockets + "/")
	expect.NoError(s.t, err)
	return pids
}

// handlers returns the supervisor's handler processes.
func (s *running) handlers() []int {
	s.t.Helper()
	pids, err := harness.Children(s.Pid(), "bulkhead-handler")
	expect.NoError(s.t, err)
	return pids
}

// status returns what `bulkhead supervisor status` knows.
func (s *running) status() *bulkheadv1.StatusResponse {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := control.Dial(ctx, s.StateDir)
	expect.NoError(s.t, err)
	defer c.Close()
	st, err := c.Status(ctx, &bulkheadv1.StatusRequest{})
	expect.NoError(s.t, err)
	return st
}

// session returns the status of the client with that name.
func (s *running) session(name string) *bulkheadv1.SessionStatus {
	s.t.Helper()
	for _, c := range s.status().GetSessions() {
		if c.GetName() == name {
			return c
		}
	}
	s.t.Fatalf("status knows no client %s", name)
	return nil
}

// await waits until the session of the client with that name is in a state.
func (s *running) await(name, state string) {
	s.t.Helper()
	expect.Eventually(s.t, func() error {
		if c := s.session(name); c.GetState() != state {
			return fmt.Errorf("want %s: %v", state, c)
		}
		return nil
	})
}

// settled waits until no connection is served and the pool is full: size handlers.
func (s *running) settled(busy, size int) {
	s.t.Helper()
	expect.Eventually(s.t, func() error {
		st := s.status()
		if st.GetHandlersBusy() != uint32(busy) || st.GetPoolStarting() != 0 || st.GetPoolReady() != uint32(size) {
			return errors.New(st.String())
		}
		return nil
	})
}

// dial connects a scripted client that ends with the test.
func (s *running) dial() *rawclient.Client {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	c, err := rawclient.Dial(ctx, s.Addr)
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close(); cancel() })
	return c
}

// finish waits for the supervisor's exit with the status code, checks that
// everything is as the end of a run must leave it, and returns the report.
func (s *running) finish(code int) *report.Report {
	s.t.Helper()
	got, err := s.Wait(patience)
	expect.NoError(s.t, err)
	if got != code {
		s.t.Errorf("the supervisor exited with %d; want %d", got, code)
	}
	s.nothingLeft()
	if strings.Contains(s.Log(), "DATA RACE") {
		s.t.Error("the race detector spoke up; see the log")
	}
	rep := s.checkJournal()
	var rebuilt bytes.Buffer
	expect.NoError(s.t, rep.JSON(&rebuilt))
	written, err := os.ReadFile(filepath.Join(s.RunDir, "report.json"))
	expect.NoError(s.t, err)
	if !bytes.Equal(written, rebuilt.Bytes()) {
		s.t.Error("report.json is not what the journal says")
	}
	if rep.Complete() != (code == exitComplete) {
		s.t.Errorf("exit status %d, but the verdict is %+v", code, rep.Verdict)
	}
	s.withinSandbox(rep)
	return rep
}

// withinSandbox checks that no handler has made a call that its sandbox forbids, but for those that
// were told to: with BULKHEAD_TEST_SANDBOX_UNKNOWN=kill, none that no rule of it knows.
func (s *running) withinSandbox(rep *report.Report) {
	s.t.Helper()
	for _, h := range rep.Handlers {
		if h.Exit != nil && h.Exit.Class == report.ExitSandbox && !s.forbids {
			s.t.Errorf("handler %d of %q: %s; dmesg may name the call", h.Pid, h.Client, h.Exit.Cause)
		}
	}
}

// checkJournal checks the invariants of the journal and returns its report.
func (s *running) checkJournal() *report.Report {
	s.t.Helper()
	dir := filepath.Join(s.RunDir, "journal")
	check, err := journal.Check(dir)
	expect.NoError(s.t, err)
	if err := check.Err(); err != nil {
		s.t.Errorf("the journal breaks its invariants: %v", err)
	}
	rep, err := fold.FromJournal(dir)
	expect.NoError(s.t, err)
	return rep
}

// nothingLeft checks that the supervisor, which has exited in order, has left no
// process, socket or folder for sockets.
func (s *running) nothingLeft() {
	s.t.Helper()
	if left := s.processes(); len(left) > 0 {
		s.t.Errorf("processes left: %v", left)
	}
	for _, path := range []string{s.sockets, filepath.Join(s.StateDir, "sock"),
		filepath.Join(s.StateDir, "supervisor.sock")} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			s.t.Errorf("%s is left: %v", path, err)
		}
	}
}
