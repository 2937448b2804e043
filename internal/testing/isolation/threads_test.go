package isolation_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/cgroup"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/internal/threads"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// With few threads and processes, connections are refused before they are all gone:
// sessions continue, a handler that dies is replaced, and when others have left there is room
// again.
func TestFewThreadsAreNotFatal(t *testing.T) {
	t.Parallel()
	for _, most := range []int{50, 90} {
		t.Run(fmt.Sprintf("pids.max=%d", most), func(t *testing.T) {
			t.Parallel()
			fewThreads(t, inGroup(t, "pids", map[string]string{"pids.max": strconv.Itoa(most)}))
		})
	}
	t.Run("RLIMIT_NPROC=60", func(t *testing.T) {
		t.Parallel()
		fewThreads(t, asUser(t, `ulimit -u 60 && exec "$@"`))
	})
}

// fewThreads tries a supervisor that runs within wrap's limit with more clients than it
// has threads for.
func fewThreads(t *testing.T, wrap func(stateCommand) stateCommand) {
	if raceEnabled {
		t.Skip("programs with the race detector have threads of their own")
	}
	const comers = 64
	s := startCommand(t, wrap(command(newStateDir(t), "--clients", "2", "--log-level", "info")))
	by := bystander(t, s, rawclient.Hello("bystander"))
	var idle []net.Conn
	defer func() {
		for _, c := range idle {
			c.Close()
		}
	}()
	for range comers {
		c, err := net.Dial("tcp", s.Addr)
		expect.NoError(t, err)
		_, _ = c.Write([]byte("P")) // begins to speak; a refused one may be gone
		idle = append(idle, c)
	}
	_, err := s.Await(patience, func(l harness.LogLine) bool {
		return l.Text("msg") == "connections are shed" && strings.Contains(l.Text("reason"), "threads")
	})
	expect.NoError(t, err)
	for range 50 {
		by.goesOn(t)
	}
	st := s.status()
	of := reserveOf(st, bulkheadv1.ReserveKind_RESERVE_KIND_THREADS)
	if of.GetLimit() == 0 || of.GetLimit() > 90 || of.GetTimesReached() == 0 || of.GetLimitedBy() == "" {
		t.Errorf("status says of threads: %v; want the limit, and that it was reached", of)
	}
	if st.GetShedConnections() == 0 {
		t.Error("status knows of no connection that was shed")
	}
	expect.NoError(t, syscall.Kill(int(s.session("bystander").GetHandlerPid()), syscall.SIGKILL))
	expect.Eventually(t, func() error { // it gets a handler, before all that are new
		if c := s.session("bystander"); c.GetState() != "active" || c.GetResumes() == 0 {
			return errors.New(c.String())
		}
		return nil
	})
	by.goesOn(t)
	for _, c := range idle {
		c.Close()
	}
	expect.Eventually(t, func() error { return closedVisit(t.Context(), s.Addr, "late") })
	sent := by.finish(t)
	s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{by: sent})
}

// A supervisor that is killed while its handlers have all threads but the reserve comes back
// among them, however many of the limit are left over besides.
func TestFewThreadsAreEnoughToGoOn(t *testing.T) {
	t.Parallel()
	const aHandler = 10 // threads that one has
	for most := 86; most < 86+aHandler; most++ {
		t.Run(fmt.Sprintf("pids.max=%d", most), func(t *testing.T) {
			t.Parallel()
			goesOnAmongItsHandlers(t, inGroup(t, "pids", map[string]string{"pids.max": strconv.Itoa(most)}))
		})
	}
}

func goesOnAmongItsHandlers(t *testing.T, wrap func(stateCommand) stateCommand) {
	if raceEnabled {
		t.Skip("programs with the race detector have threads of their own")
	}
	state := newStateDir(t)
	s := startCommand(t, wrap(command(state)))
	by := bystander(t, s, rawclient.Hello("bystander"))
	full := false
	for i := 0; i < 64 && !full; i++ {
		c, err := rawclient.Dial(t.Context(), s.Addr)
		expect.NoError(t, err)
		defer c.Close()
		_, err = c.Greet(rawclient.Hello(fmt.Sprintf("client-%d", i)))
		full = err != nil
	}
	if !full {
		t.Fatal("no client was refused")
	}
	s.Kill()
	next := startCommand(t, wrap(command(state)))
	if next.RunDir != s.RunDir {
		t.Errorf("the run continues in %s; want %s", next.RunDir, s.RunDir)
	}
	by.goesOn(t)
}

// reserveOf returns what a status says of a kind.
func reserveOf(st *bulkheadv1.StatusResponse, kind bulkheadv1.ReserveKind) *bulkheadv1.Reserve {
	for _, r := range st.GetReserves() {
		if r.GetKind() == kind {
			return r
		}
	}
	return nil
}

// A limit that leaves no thread for handlers is refused at start, in one line that names
// it and what would do.
func TestNoRoomForThreadsIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("programs with the race detector have threads of their own")
	}
	wrap := inGroup(t, "pids", map[string]string{"pids.max": "20"})
	s := launch(t, wrap(command(newStateDir(t))))
	code, err := s.Wait(patience)
	expect.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(s.Log()), "\n")
	if code != exitConfig || len(lines) != 1 || !strings.Contains(lines[0], "pids.max") ||
		!strings.Contains(lines[0], "raise it to") {
		t.Errorf("it exits with %d after:\n%s", code, s.Log())
	}
}

// The supervisor's threads are made ahead and stay as many, however many clients it has.
func TestClientsCostTheSupervisorNoThreads(t *testing.T) {
	t.Parallel()
	const clients = 48
	s := start(t, "--clients", strconv.Itoa(clients), "--log-level", "info", "--overload-startups", "1000:30:2000")
	s.settled(0, 4)
	before := threads.Of(s.Pid())
	var loads []*load
	for i := range clients {
		loads = append(loads, startLoad(t, s, rawclient.Hello(fmt.Sprintf("client-%d", i)), uint32(i), 8, 2))
	}
	for _, l := range loads {
		l.goesOn(t)
	}
	const few = 8 // that the runtime makes for itself
	if after := threads.Of(s.Pid()); before == 0 || after > before+few {
		t.Errorf("the supervisor has %d threads with %d clients; it had %d without", after, clients, before)
	}
	for _, l := range loads {
		l.finish(t)
	}
	s.finish(exitComplete)
}

// inGroup returns what makes a command run in a control group of its own, below that of
// this process, in which files have been written. It skips the test where the machine has
// no such controller, or this user may not make groups.
func inGroup(t *testing.T, controller string, files map[string]string) func(stateCommand) stateCommand {
	t.Helper()
	above := cgroup.Of(controller)
	if len(above) == 0 {
		t.Skipf("this machine has no control groups with %s", controller)
	}
	group := filepath.Join(above[0].Folder,
		fmt.Sprintf("bulkhead-test-%d-%s", os.Getpid(), filepath.Base(newStateDirName(t))))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("no control group can be made here: %v", err)
	}
	t.Cleanup(func() { // when the processes in it have ended
		expect.Eventually(t, func() error { return os.Remove(group) })
	})
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(group, name), []byte(content), 0o644); err != nil {
			t.Skipf("a control group of this machine cannot be limited: %v", err)
		}
	}
	return wrapped(fmt.Sprintf(`echo $$ > %s/cgroup.procs && exec "$@"`, group))
}

// newStateDirName returns a name that no other test has.
func newStateDirName(t *testing.T) string {
	t.Helper()
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '=' {
			return '-'
		}
		return r
	}, t.Name())
}

// wrapped returns what makes a shell run a script before, and in the place of, a command.
func wrapped(script string) func(stateCommand) stateCommand {
	return func(cmd stateCommand) stateCommand {
		cmd.Path, cmd.Args = "/bin/bash", append([]string{"bash", "-c", script, "bash", cmd.Path}, cmd.Args[1:]...)
		return cmd
	}
}

// asUser returns what makes a command run as a user without privileges, and no other
// process, after a script. It skips the test where this user may not do so.
func asUser(t *testing.T, script string) func(stateCommand) stateCommand {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can run a supervisor as another user")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash, whose ulimit -u is needed")
	}
	const nobodyElse = 31991
	expect.NoError(t, os.Chmod(bin, 0o755))
	return func(cmd stateCommand) stateCommand {
		expect.NoError(t, os.Chown(filepath.Dir(cmd.stateDir), nobodyElse, nobodyElse))
		cmd = wrapped(script)(cmd)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyElse, Gid: nobodyElse}}
		return cmd
	}
}
