package isolation_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// upgrade asks for an upgrade as an operator does, and returns what was said.
func (s *running) upgrade(programs string) (string, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(programs, "bulkhead"), "supervisor", "upgrade", "--state-dir",
		s.StateDir).CombinedOutput()
	return string(out), err
}

// restarts waits until status says so many restarts of the run.
func (s *running) restarts(want uint32) {
	s.t.Helper()
	expect.Eventually(s.t, func() error {
		if got := s.status().GetRestarts(); got != want {
			return fmt.Errorf("%d restarts; want %d", got, want)
		}
		return nil
	})
}

// A supervisor has as many clients as its descriptors are for. An upgrade needs none beyond
// theirs: no handler loses its line.
func TestUpgradeWithNoDescriptorToSpare(t *testing.T) {
	t.Parallel()
	const limit, clients = 450, 73 // (limit - 2*64 - 28) / 4
	s := limited(t, limit, "--clients", fmt.Sprint(clients), "--handler-pool", "1", "--log-level", "info")
	var all []*rawclient.Client
	for i := range clients {
		c := s.dial()
		greet(t, c, rawclient.Hello(fmt.Sprint("c", i)))
		all = append(all, c)
	}
	if said, err := s.upgrade(bin); err != nil {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	s.restarts(1)
	for _, c := range all {
		say(t, c)
	}
	rep := s.finish(exitComplete)
	if n := strings.Count(s.Log(), "cannot be handed over"); n > 0 {
		t.Errorf("%d of %d handlers were not handed over", n, clients)
	}
	for _, c := range rep.Clients {
		if c.Resumes != 0 {
			t.Errorf("%s came %d times again", c.Name, c.Resumes)
		}
	}
}

// A supervisor is upgraded under load, by the command and by SIGHUP. Process, listener,
// handlers and connections stay, and no message is lost or doubled.
func TestUpgradeInPlace(t *testing.T) {
	t.Parallel()
	const clients = 8
	s := start(t, "--clients", fmt.Sprint(clients+2))
	all := loads(t, s, clients)
	pids := busyHandlers(s)
	said, err := s.upgrade(bin)
	if err != nil || !strings.Contains(said, fmt.Sprintf("in place; pid %d", s.Pid())) {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	s.restarts(1)
	late := startLoad(t, s, rawclient.Hello("late"), 100, 4, 2) // through the same listener
	late.goesOn(t)
	expect.NoError(t, s.Signal(syscall.SIGHUP))
	s.restarts(2)
	later := startLoad(t, s, rawclient.Hello("later"), 101, 4, 2)
	all = append(all, late, later)
	for _, l := range all {
		l.goesOn(t)
	}
	if got := busyHandlers(s); fmt.Sprint(got[:clients]) != fmt.Sprint(pids) {
		t.Errorf("handlers %v; want them as before: %v", got, pids)
	}
	sent := finishAll(t, all)
	rep := s.finish(exitComplete)
	journalled(t, s, sent)
	for _, l := range all {
		unharmed(t, rep, l, sent[l])
	}
	for _, h := range rep.Handlers {
		// The program after the upgrade is still the handlers' parent, so it knows all of
		// their ends.
		if h.Exit == nil || h.Exit.Class != "clean" || h.Exit.MaxResidentBytes == 0 {
			t.Errorf("handler %d: %+v; want a clean end with its resource usage", h.Pid, h.Exit)
		}
	}
	if len(rep.Handlers) != clients+2 || len(rep.Run.Restarts) != 2 {
		t.Errorf("%d handlers, restarts %+v; want %d and 2", len(rep.Handlers), rep.Run.Restarts, clients+2)
	}
}

// While a supervisor is upgraded, twice, its listener takes every connection.
func TestAnUpgradeNeverRefuses(t *testing.T) {
	t.Parallel()
	s := start(t, "--clients", "1")
	l := startLoad(t, s, rawclient.Hello("client"), 1, 16, 4)
	l.goesOn(t)
	knocked := knock(t, s.Addr)
	for n := range uint32(2) {
		if said, err := s.upgrade(bin); err != nil {
			t.Fatalf("upgrade: %v\n%s", err, said)
		}
		s.restarts(n + 1)
		l.goesOn(t)
	}
	if n, err := knocked(); n == 0 || err != nil {
		t.Errorf("after %d connections the listener refused one: %v", n, err)
	}
	sent := l.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{l: sent})
	unharmed(t, rep, l, sent)
}

// knock connects to an address again and again until the function it returns is called,
// which says how often that worked, and the first error.
func knock(t *testing.T, addr string) func() (int, error) {
	stop, done := make(chan struct{}), make(chan struct{})
	n, failure := 0, error(nil)
	go func() { // ends at stop, or at the first error
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			c, err := net.DialTimeout("tcp", addr, patience)
			if err != nil {
				failure = err
				return
			}
			c.Close()
			n++
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-done })
	t.Cleanup(end)
	return func() (int, error) { end(); return n, failure }
}

// A program that does not pass its pre-flight changes nothing and says why; the next
// one, which does, is taken.
func TestUpgradeToAProgramThatIsNotFit(t *testing.T) {
	t.Parallel()
	programs := t.TempDir()
	for _, name := range []string{"bulkhead", "bulkhead-handler"} {
		install(t, filepath.Join(bin, name), filepath.Join(programs, name))
	}
	s := startCommand(t, commandFrom(programs, newStateDir(t), "--clients", "1"))
	l := startLoad(t, s, rawclient.Hello("client"), 1, 16, 4)
	l.goesOn(t)
	for name, tt := range map[string]struct{ program, script, want string }{
		"crashes":                 {"bulkhead", "echo not today >&2; exit 7", "exit status 7: not today"},
		"says nothing":            {"bulkhead", "exit 0", "it said nothing"},
		"its handlers are broken": {"bulkhead-handler", "exit 3", "no handler starts"},
	} {
		path := filepath.Join(programs, tt.program)
		expect.NoError(t, harness.WriteProgram(path, []byte("#!/bin/sh\n"+tt.script+"\n")))
		said, err := s.upgrade(bin)
		if err == nil || !strings.Contains(said, "does not pass its pre-flight") || !strings.Contains(said, tt.want) {
			t.Errorf("%s: upgrade says %v\n%s\nwant %q", name, err, said, tt.want)
		}
		install(t, filepath.Join(bin, tt.program), path)
		l.goesOn(t)
	}
	if got := s.status().GetRestarts(); got != 0 {
		t.Errorf("%d restarts; want none", got)
	}
	said, err := s.upgrade(bin)
	if err != nil {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	s.restarts(1)
	l.goesOn(t)
	sent := l.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{l: sent})
	unharmed(t, rep, l, sent)
}

// install puts a copy of a program at a path at once, as make install does.
func install(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	expect.NoError(t, err)
	expect.NoError(t, harness.WriteProgram(to, data))
}

// What is in the way of an upgrade does not stop it: somebody who has opened the control
// socket and says nothing, clients that have connected and say nothing, and a handler
// that does not start just then.
func TestUpgradeWithEverythingInTheWay(t *testing.T) {
	t.Parallel()
	programs := t.TempDir()
	for _, name := range []string{"bulkhead", "bulkhead-handler"} {
		install(t, filepath.Join(bin, name), filepath.Join(programs, name))
	}
	s := startCommand(t, commandFrom(programs, newStateDir(t), "--clients", "2"))
	l := startLoad(t, s, rawclient.Hello("client"), 1, 16, 4)
	l.goesOn(t)
	idle, err := net.Dial("unix", filepath.Join(s.StateDir, "supervisor.sock"))
	expect.NoError(t, err)
	defer idle.Close()
	for range 40 {
		silent, err := net.Dial("tcp", s.Addr)
		expect.NoError(t, err)
		defer silent.Close()
	}
	// The first handler that the new program starts ends at once. The program is known by
	// what it was executed with.
	once := filepath.Join(t.TempDir(), "once")
	real := filepath.Join(bin, "bulkhead-handler")
	expect.NoError(t, harness.WriteProgram(filepath.Join(programs, "bulkhead-handler"), fmt.Appendf(nil,
		"#!/bin/sh\ngrep -qz BULKHEAD_HANDOVER= /proc/$PPID/environ && mkdir '%s' 2>/dev/null && exit 1\nexec '%s'\n",
		once, real)))
	said, err := s.upgrade(bin)
	if err != nil {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	s.restarts(1)
	l.goesOn(t)
	if _, err := os.Stat(once); err != nil {
		t.Errorf("no handler failed to start: %v", err)
	}
	late := startLoad(t, s, rawclient.Hello("late"), 2, 4, 2)
	late.goesOn(t)
	sent := finishAll(t, []*load{l, late})
	rep := s.finish(exitComplete)
	journalled(t, s, sent)
	unharmed(t, rep, l, sent[l])
	unharmed(t, rep, late, sent[late])
}

// A SIGTERM that comes in the middle of an upgrade is acted on by the one program or the
// other, or ends the process in the moment between them; at worst it is not noticed. No
// message and no connection is lost by that: a supervisor that is started again continues.
func TestSignalDuringAnUpgrade(t *testing.T) {
	t.Parallel()
	for i := range 5 {
		state := newStateDir(t)
		s := startCommand(t, command(state))
		l := startLoad(t, s, rawclient.Hello("client"), uint32(i), 4, 2)
		l.goesOn(t)
		said, err := s.upgrade(bin) // returns as the change begins
		if err != nil {
			t.Fatalf("upgrade: %v\n%s", err, said)
		}
		expect.NoError(t, s.Signal(syscall.SIGTERM))
		_, err = s.Await(patience, func(l harness.LogLine) bool { return l.Text("msg") == "run resumed" })
		if err != nil {
			if _, err := s.Wait(patience); err == nil || err.Error() != "signal: terminated" {
				t.Fatalf("the supervisor ended with %v; want the signal", err)
			}
			s = startCommand(t, command(state))
			l.goesOn(t)
		}
		if out, err := exec.Command(filepath.Join(bin, "bulkhead"), "supervisor", "drain", "--state-dir",
			state).CombinedOutput(); err != nil {
			t.Fatalf("drain: %v\n%s", err, out)
		}
		sent := l.finish(t)
		rep := s.finish(exitComplete)
		journalled(t, s, map[*load]uint64{l: sent})
		unharmed(t, rep, l, sent)
		if rep.Run.End != "drained" {
			t.Errorf("the run ended %q; want drained", rep.Run.End)
		}
	}
}

// A handler that ends in the middle of an upgrade, when the program before has let go of
// its connection and the next one does not run yet, is told of like any other.
func TestAHandlerThatEndsDuringAnUpgrade(t *testing.T) {
	t.Parallel()
	programs, err := faulty()
	expect.NoError(t, err)
	cmd := commandFrom(programs, newStateDir(t), "--clients", "2")
	cmd.Env = append(os.Environ(), "BULKHEAD_FAILPOINTS=supervisor/after-suspend=stop")
	s := startCommand(t, cmd)
	by := bystander(t, s, rawclient.Hello("bystander"))
	c, hello := s.dial(), rawclient.Hello("victim")
	greet(t, c, hello)
	pid := int(s.session("victim").GetHandlerPid())
	upgraded := make(chan error, 1)
	go func() { // ends with the command
		_, err := s.upgrade(programs)
		upgraded <- err
	}()
	awaitState(t, s.Pid(), "T")
	expect.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	awaitState(t, pid, "Z")
	expect.NoError(t, s.Signal(syscall.SIGCONT))
	s.restarts(1)
	expect.NoError(t, <-upgraded)
	s.await("victim", "away")
	again := s.dial()
	greet(t, again, hello)
	say(t, again)
	by.goesOn(t)
	sent := by.finish(t)
	rep := s.finish(exitComplete)
	unharmed(t, rep, by, sent)
	h := expect.Handler(t, rep, pid)
	if h.Exit == nil || h.Exit.Class != report.ExitCrash || h.Exit.Cause != "killed by signal 9 (SIGKILL)" ||
		h.Exit.UserCPUNano+h.Exit.SystemCPUNano == 0 {
		t.Errorf("handler %d: %+v; want it killed by the signal, with its resource usage", pid, h.Exit)
	}
}

// One that dies at work when no program has adopted it yet leaves what it was at work on to the one
// that finds it, and that counts.
func TestAHandlerThatDiesBeforeItIsAdopted(t *testing.T) {
	t.Parallel()
	programs, err := faulty()
	expect.NoError(t, err)
	cmd := commandFrom(programs, newStateDir(t), "--clients", "2", "--handler-poison-limit", "1")
	cmd.Env = append(os.Environ(), "BULKHEAD_FAILPOINTS=supervisor/before-adopt=stop")
	s := startCommand(t, cmd)
	by := bystander(t, s, rawclient.Hello("bystander"))
	c, hello := s.dial(), rawclient.Hello("victim")
	greet(t, c, hello)
	expect.NoError(t, c.SendBatch(1, 3))
	expect.NoError(t, c.AwaitAck(3))
	pid := int(s.session("victim").GetHandlerPid())
	if said, err := s.upgrade(programs); err != nil {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	awaitState(t, s.Pid(), "T")
	expect.NoError(t, c.Send(fault(4, "segv")))
	awaitState(t, pid, "Z")
	expect.NoError(t, s.Signal(syscall.SIGCONT))
	s.restarts(1)
	s.await("victim", "quarantined")
	if _, err := s.dial().Greet(hello); status.Code(err) != codes.DataLoss {
		t.Errorf("the client of the quarantined session was told %v; want DATA_LOSS", err)
	}
	by.goesOn(t)
	sent := by.finish(t)
	rep := s.finish(exitPartial)
	unharmed(t, rep, by, sent)
	h := expect.Handler(t, rep, pid)
	if h.Exit == nil || h.Exit.Class != report.ExitCrash || h.Exit.Signal != int32(syscall.SIGSEGV) ||
		h.Exit.UserCPUNano+h.Exit.SystemCPUNano == 0 {
		t.Errorf("handler %d: %+v; want it ended by SIGSEGV, with its resource usage", pid, h.Exit)
	}
	wantQuarantined(t, s, fault(4, "segv"))
}

// awaitState waits until a process is in a state of proc(5).
func awaitState(t *testing.T, pid int, want string) {
	t.Helper()
	expect.Eventually(t, func() error {
		if got, err := harness.State(pid); err != nil || got != want {
			return fmt.Errorf("process %d is in state %s, %v; want %s", pid, got, err, want)
		}
		return nil
	})
}

// A drain that is under way continues through a kill and an upgrade.
func TestDrainGoesOnThroughRestarts(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	s := startCommand(t, command(state, "--clients", "5"))
	l := startLoad(t, s, rawclient.Hello("client"), 1, 4, 2)
	l.goesOn(t)
	expect.NoError(t, s.Signal(syscall.SIGTERM))
	_, err := s.Await(patience, func(l harness.LogLine) bool { return l.Text("msg") == "draining" })
	expect.NoError(t, err)
	s.Kill()
	s = startCommand(t, command(state, "--clients", "5"))
	if st := s.status(); st.GetState() != "draining" {
		t.Errorf("the run is %s; want draining", st.GetState())
	}
	said, err := s.upgrade(bin)
	if err != nil {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	s.restarts(2)
	if st := s.status(); st.GetState() != "draining" {
		t.Errorf("the run is %s after the upgrade; want draining", st.GetState())
	}
	sent := l.finish(t)
	rep := s.finish(exitPartial) // four clients never came
	journalled(t, s, map[*load]uint64{l: sent})
	unharmed(t, rep, l, sent)
	if rep.Run.End != "drained" {
		t.Errorf("the run ended %q; want drained", rep.Run.End)
	}
}
