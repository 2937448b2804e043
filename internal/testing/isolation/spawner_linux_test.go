package isolation_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/sandbox"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
)

// spawner waits until a supervisor has a spawner other than that one, and returns its pid.
func (s *running) spawner(but int) (pid int) {
	s.t.Helper()
	expect.Eventually(s.t, func() error {
		pids, err := harness.Children(s.Pid(), harness.Spawner)
		if err == nil && (len(pids) != 1 || pids[0] == but) {
			err = fmt.Errorf("spawners = %v; want one other than %d", pids, but)
		}
		if err == nil {
			pid = pids[0]
		}
		return err
	})
	return pid
}

// startedBy returns the session of a process, which is the spawner that started it, and its
// parent.
func startedBy(t *testing.T, pid int) (session, parent int) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	expect.NoError(t, err)
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // f[0] is field 3 of proc(5)
	parent, err = strconv.Atoi(f[1])
	expect.NoError(t, err)
	session, err = strconv.Atoi(f[3])
	expect.NoError(t, err)
	return session, parent
}

// served connects a client whose handler was started by that spawner, and returns the handler.
// Those that were ready before are given to other clients.
func served(t *testing.T, s *running, spawner int, token string) (c *rawclient.Client, handler int) {
	t.Helper()
	for n := 0; ; n++ {
		hello := rawclient.Hello(fmt.Sprintf("of-%d-%d", spawner, n))
		hello.Token = token
		c = s.dial()
		greet(t, c, hello)
		handler = int(s.session(hello.GetName()).GetHandlerPid())
		if session, _ := startedBy(t, handler); session == spawner {
			return c, handler
		}
		if n > 20 {
			t.Fatalf("the spawner %d starts no handlers", spawner)
		}
	}
}

// The spawner has what it needs and nothing else. Its handlers are the supervisor's children:
// through an upgrade, which ends the spawner, and with their own exit and memory. A supervisor
// that is killed takes the spawner along, also a stopped one, and leaves the handlers.
func TestTheSpawnersHandlersAreTheSupervisors(t *testing.T) {
	t.Parallel()
	const secret = "do-not-pass-on"
	cmd := command(newStateDir(t), "--handler-pool", "2", "--clients", "100")
	cmd.Env = append(os.Environ(), "BULKHEAD_TOKEN="+token, "AWS_SECRET_ACCESS_KEY="+secret)
	cmd.ExtraFiles = strayFiles(t)
	s := startCommand(t, cmd)
	first := s.spawner(0)
	c, handler := served(t, s, first, token)
	if session, parent := startedBy(t, handler); session != first || parent != s.Pid() {
		t.Fatalf("handler %d is in session %d and a child of %d; want the spawner's, %d, and the supervisor's, %d",
			handler, session, parent, first, s.Pid())
	}
	environ, err := harness.Environment(first)
	expect.NoError(t, err)
	slices.Sort(environ)
	environ = slices.DeleteFunc(environ, func(e string) bool { return strings.HasPrefix(e, "GORACE=") })
	want := []string{"GOGC=25", "GOMAXPROCS=1"}
	if order := slices.IndexFunc(environ, func(e string) bool {
		return strings.HasPrefix(e, sandbox.EnvName+"=")
	}); order < 0 {
		t.Errorf("the spawner does not know how handlers are locked in: %q", environ)
	} else {
		want = slices.Insert(want, 0, environ[order])
	}
	if os.Geteuid() == 0 {
		want = slices.Insert(want, 1, "BULKHEAD_SPAWNER_APART=1")
		slices.Sort(want)
	}
	if !slices.Equal(environ, want) {
		t.Errorf("the spawner's environment is %q; want %q", environ, want)
	}
	expect.Eventually(t, func() error { // it has more while it starts a handler
		for fd, target := range openFiles(t, first) {
			if fd > 3 && !strings.HasPrefix(target, "anon_inode:") {
				return fmt.Errorf("the spawner has %s open as descriptor %d", target, fd)
			}
		}
		return nil
	})
	shared(t, s, handler, first)

	if said, err := s.upgrade(bin); err != nil {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	s.restarts(1)
	second := s.spawner(first)
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", first)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the spawner of before the upgrade is left: %v", err)
	}
	if _, parent := startedBy(t, handler); parent != s.Pid() {
		t.Errorf("after an upgrade, the parent of handler %d is %d", handler, parent)
	}
	expect.NoError(t, c.SendBatch(1, 3))
	expect.NoError(t, c.AwaitAck(3))

	watches := watch(t, []int{second})
	expect.NoError(t, syscall.Kill(second, syscall.SIGSTOP))
	s.Kill()
	expect.NoError(t, watches[0].AwaitExit(patience))
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", handler)); err != nil {
		t.Errorf("handler %d is gone with its supervisor: %v", handler, err)
	}
}

// A handler that is stopped when its supervisor is killed wakes up, and ends like any other.
func TestAStoppedHandlerOutlivesNoSupervisor(t *testing.T) {
	t.Parallel()
	s := start(t, "--handler-pool", "1", "--handler-orphan-grace", "0s")
	_, handler := served(t, s, s.spawner(0), "")
	watches := watch(t, []int{handler})
	expect.NoError(t, syscall.Kill(handler, syscall.SIGSTOP))
	expect.Eventually(t, func() error {
		if state, err := harness.State(handler); err != nil || state != "T" {
			return fmt.Errorf("the handler is in state %s, %w", state, err)
		}
		return nil
	})
	s.Kill()
	expect.NoError(t, watches[0].AwaitExit(patience))
}

// The report says how a handler that the spawner started ended, and how much memory it took:
// neither the supervisor's nor the spawner's.
func TestTheEndOfASpawnedHandlerIsKnown(t *testing.T) {
	t.Parallel()
	s := start(t, "--handler-pool", "1", "--clients", "2")
	_, handler := served(t, s, s.spawner(0), "")
	own := usedBy(t, handler).peak
	expect.NoError(t, syscall.Kill(handler, syscall.SIGKILL))
	expect.NoError(t, s.Signal(syscall.SIGTERM))
	expect.NoError(t, s.Signal(syscall.SIGINT)) // at once
	_, err := s.Wait(patience)
	expect.NoError(t, err)
	s.nothingLeft()
	h := expect.Handler(t, s.checkJournal(), handler)
	if h.Exit == nil || !strings.HasPrefix(h.Exit.Cause, sigkilled) {
		t.Fatalf("handler %d ended like this: %+v", handler, h.Exit)
	}
	if got := h.Exit.MaxResidentBytes; !raceEnabled && (got < own/2 || got > own+own/2) {
		t.Errorf("its memory is told as %d bytes at most; it took %d", got, own)
	}
}

// A spawner that dies, or hangs, when it has started a handler and not said so, loses and
// leaves none, and clients do not notice.
func TestASpawnerThatCannotTell(t *testing.T) {
	t.Parallel()
	programs, err := faulty()
	expect.NoError(t, err)
	for _, way := range []string{"kill", "stop", "segv"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			cmd := commandFrom(programs, newStateDir(t), "--clients", "12", "--handler-pool", "2")
			cmd.Env = append(os.Environ(), "BULKHEAD_FAILPOINTS=spawner/before-answer="+way+"@2")
			s := startCommand(t, cmd)
			var all []*rawclient.Client
			for i := range 12 {
				s.spawner(0)
				c := s.dial()
				greet(t, c, rawclient.Hello(fmt.Sprint("c", i)))
				all = append(all, c)
			}
			s.settled(12, 2)
			if n := len(s.processes()); n != 14 {
				t.Errorf("%d handlers run; want those of 12 clients and 2 ready", n)
			}
			if told := "without a chance to say so was killed"; !strings.Contains(s.Log(), told) {
				t.Errorf("the log does not say %q", told)
			}
			for _, c := range all {
				say(t, c)
			}
			s.finish(exitComplete)
		})
	}
}

// A spawner whose program is replaced by something that is none is done without.
func TestASpawnerThatCannotBeStartedAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "handler")
	good, err := os.ReadFile(filepath.Join(bin, "bulkhead-handler"))
	expect.NoError(t, err)
	expect.NoError(t, harness.WriteProgram(path, good))
	s := start(t, "--clients", "4", "--handler-path", path, "--handler-pool", "1")
	first := s.spawner(0)
	script(t, path, `test "$1" != spawner && exec '`+filepath.Join(bin, "bulkhead-handler")+`'`)
	expect.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	for i := range 4 {
		c := s.dial()
		greet(t, c, rawclient.Hello(fmt.Sprint("c", i)))
		defer say(t, c)
	}
	_, err = s.Await(patience, func(l harness.LogLine) bool {
		return strings.HasPrefix(l.Text("msg"), "there is no spawner; ") &&
			strings.Contains(l.Text("error"), "the spawner ended: exit status 1")
	})
	expect.NoError(t, err)
}
