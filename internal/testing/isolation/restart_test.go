package isolation_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// loads starts so many clients and waits until all are at work.
func loads(t *testing.T, s *running, clients int) []*load {
	t.Helper()
	var out []*load
	for i := range clients {
		out = append(out, startLoad(t, s, rawclient.Hello(fmt.Sprintf("client-%d", i)), uint32(i), 16, 4))
	}
	for _, l := range out {
		l.goesOn(t)
	}
	return out
}

// finishAll ends loads in order and returns what each sent.
func finishAll(t *testing.T, all []*load) map[*load]uint64 {
	t.Helper()
	sent := make(map[*load]uint64)
	for _, l := range all {
		sent[l] = l.finish(t)
	}
	return sent
}

// A supervisor is killed under load, twice, and started again each time. No client's
// connection drops, and every message is in the journal once.
func TestKilledSupervisorGoesOn(t *testing.T) {
	t.Parallel()
	const clients = 8
	state := newStateDir(t)
	s := startCommand(t, command(state, "--clients", fmt.Sprint(clients)))
	all := loads(t, s, clients)
	handlers := watch(t, busyHandlers(s))
	for range 2 {
		s.Kill()
		next := startCommand(t, command(state, "--clients", fmt.Sprint(clients)))
		if next.RunDir != s.RunDir {
			t.Fatalf("the run continues in %s; want %s", next.RunDir, s.RunDir)
		}
		s = next
		for _, l := range all {
			l.goesOn(t)
		}
	}
	sent := finishAll(t, all)
	rep := s.finish(exitComplete)
	journalled(t, s, sent)
	for _, l := range all {
		unharmed(t, rep, l, sent[l])
	}
	if len(rep.Run.Restarts) != 2 || len(rep.Handlers) != clients {
		t.Errorf("%d restarts and %d handlers; want 2 and %d: %+v", len(rep.Run.Restarts), len(rep.Handlers), clients,
			rep.Run.Restarts)
	}
	for _, h := range rep.Handlers {
		if h.Exit == nil || h.Exit.Class != report.ExitClean {
			t.Errorf("handler %d: %+v; want it to have ended in order", h.Pid, h.Exit)
		}
	}
	for _, w := range handlers {
		expect.NoError(t, w.AwaitExit(patience))
	}
}

// A supervisor that cannot resume the run for the moment leaves its handlers as they
// are: the next one that is started can, and no connection has dropped.
func TestARunThatCannotBeResumedIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	// inTheWay puts a file in the place of a folder of the run until it is called.
	inTheWay := func(name string) func(t *testing.T, runDir string) (remove func()) {
		return func(t *testing.T, runDir string) func() {
			folder := filepath.Join(runDir, name)
			expect.NoError(t, os.Rename(folder, folder+".away"))
			expect.NoError(t, os.WriteFile(folder, nil, 0o600))
			return func() {
				expect.NoError(t, os.Remove(folder))
				expect.NoError(t, os.Rename(folder+".away", folder))
			}
		}
	}
	for _, tt := range []struct {
		name string
		why  string
		do   func(t *testing.T, runDir string) (undo func())
	}{
		{"its journal is in use", "journal is in use by another writer", func(t *testing.T, runDir string) func() {
			lock, err := os.Open(filepath.Join(runDir, "journal", "lock"))
			expect.NoError(t, err)
			expect.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
			return func() { lock.Close() }
		}},
		{"its journal cannot be read", "not a directory", inTheWay("journal")},
		{"its handlers cannot be listed", "not a directory", inTheWay("handlers")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			state := newStateDir(t)
			s := startCommand(t, command(state))
			l := loads(t, s, 1)[0]
			s.Kill()
			undo := tt.do(t, s.RunDir)
			vain := launch(t, command(state))
			code, err := vain.Wait(patience)
			expect.NoError(t, err)
			if code != exitFailure || !strings.Contains(vain.Log(), tt.why) {
				t.Errorf("exit status %d; want %d because it is %q:\n%s", code, exitFailure, tt.why, vain.Log())
			}
			undo()
			s = startCommand(t, command(state))
			l.goesOn(t)
			sent := l.finish(t)
			rep := s.finish(exitComplete)
			journalled(t, s, map[*load]uint64{l: sent})
			unharmed(t, rep, l, sent)
		})
	}
}

// A token that is changed for a restart is asked of those who come, and not of those who
// are there.
func TestAnotherTokenAfterARestart(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	with := func(token string) *running {
		cmd := command(state)
		cmd.Env = append(os.Environ(), "BULKHEAD_TOKEN="+token)
		return startCommand(t, cmd)
	}
	s := with("barley")
	hello := rawclient.Hello("alpha")
	hello.Token = "barley"
	l := startLoad(t, s, hello, 1, 16, 4)
	l.goesOn(t)
	s.Kill()
	s = with("rye")
	l.goesOn(t)
	late := rawclient.Hello("late")
	late.Token = "barley"
	if _, err := s.dial().Greet(late); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a new client with the old token was told %v; want UNAUTHENTICATED", err)
	}
	sent := l.finish(t)
	rep := s.finish(exitPartial) // one was rejected
	journalled(t, s, map[*load]uint64{l: sent})
	unharmed(t, rep, l, sent)
}

// busyHandlers returns the handlers that serve a session.
func busyHandlers(s *running) []int {
	s.t.Helper()
	var pids []int
	for _, c := range s.status().GetSessions() {
		if pid := int(c.GetHandlerPid()); pid != 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// What happens to handlers while no supervisor runs is found by the next one: one
// was killed, one stopped. Both clients resume, the third was not touched.
func TestHandlersThatDoNotOutliveTheirSupervisor(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	s := startCommand(t, command(state, "--clients", "3"))
	by := bystander(t, s, rawclient.Hello("bystander"))
	killed, stopped := s.dial(), s.dial()
	hellos := map[string]*bulkheadv1.Hello{"killed": rawclient.Hello("killed"), "stopped": rawclient.Hello("stopped")}
	greet(t, killed, hellos["killed"])
	greet(t, stopped, hellos["stopped"])
	expect.NoError(t, killed.SendBatch(1, 3))
	expect.NoError(t, killed.AwaitAck(3))
	expect.NoError(t, stopped.SendBatch(1, 3))
	expect.NoError(t, stopped.AwaitAck(3))
	killedPid, stoppedPid := int(s.session("killed").GetHandlerPid()), int(s.session("stopped").GetHandlerPid())
	w, err := harness.NewWatch(killedPid)
	expect.NoError(t, err)
	defer w.Close()
	s.Kill()
	expect.NoError(t, syscall.Kill(killedPid, syscall.SIGKILL))
	expect.NoError(t, w.AwaitExit(patience))
	freeze(t, stoppedPid)

	s = startCommand(t, command(state, "--clients", "3"))
	for name, hello := range hellos {
		s.await(name, "away")
		c := s.dial()
		if w := greet(t, c, hello); w.GetResumeAfter() != 3 {
			t.Errorf("%s may resume after %d; want 3", name, w.GetResumeAfter())
		}
		expect.NoError(t, c.SendBatch(4, 6))
		expect.NoError(t, c.AwaitAck(6))
		goodbye(t, c, 6)
	}
	by.goesOn(t)
	sent := by.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
	// How a process ended whose parent is gone is known while nobody has reaped it.
	if h := expect.Handler(t, rep, killedPid); h.Exit == nil ||
		h.Exit.Cause != sigkilled && h.Exit.Class != report.ExitOrphaned {
		t.Errorf("handler %d: %+v; want it killed, or an orphan", killedPid, h.Exit)
	}
	if h := expect.Handler(t, rep, stoppedPid); h.Exit == nil || h.Exit.Class != report.ExitHang {
		t.Errorf("handler %d: %+v; want it hung", stoppedPid, h.Exit)
	}
	for _, name := range []string{"killed", "stopped"} {
		if c := expect.Client(t, rep, name); c.Outcome != report.OutcomeClosed || c.Messages != 6 || c.Resumes != 1 {
			t.Errorf("%s: %s with %d messages, %d resumes; want closed with 6 and 1", name, c.Outcome, c.Messages,
				c.Resumes)
		}
	}
}

// A client says its last words to its handler while no supervisor runs, and is
// killed. The next supervisor still gets them.
func TestLastWordsOutliveClientAndSupervisor(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	s := startCommand(t, command(state))
	c := s.dial()
	greet(t, c, rawclient.Hello("last"))
	expect.NoError(t, c.SendBatch(1, 3))
	expect.NoError(t, c.AwaitAck(3))
	pid := int(s.session("last").GetHandlerPid())
	s.Kill()
	before := bytesRead(t, pid)
	expect.NoError(t, c.SendBatch(4, 9))
	size := uint64(proto.Size(batchFrame(rawclient.Batch(4, 9))))
	expect.Eventually(t, func() error { // the handler has it
		if got := bytesRead(t, pid); got < before+size {
			return fmt.Errorf("handler %d has read %d bytes; want %d", pid, got, before+size)
		}
		return nil
	})
	expect.NoError(t, c.Close())

	s = startCommand(t, command(state, "--session-grace", "1s"))
	rep := s.finish(exitPartial)
	if got := expect.Client(t, rep, "last"); got.Outcome != report.OutcomeLost || got.Messages != 9 {
		t.Errorf("the client that died: %s with %d messages; want lost with 9", got.Outcome, got.Messages)
	}
}

// bytesRead returns how many bytes a process has read in its life (proc_pid_io(5): rchar).
func bytesRead(t *testing.T, pid int) uint64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/io", pid))
	expect.NoError(t, err)
	defer f.Close()
	var n uint64
	_, err = fmt.Fscanf(f, "rchar: %d", &n)
	expect.NoError(t, err)
	return n
}

// The last record of a killed supervisor's journal, which was acknowledged, is damaged.
// The next supervisor says that the journal lost it, and blames no handler.
func TestAcknowledgedRecordIsLost(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	s := startCommand(t, command(state))
	c := s.dial()
	greet(t, c, rawclient.Hello("client"))
	expect.NoError(t, c.SendBatch(1, 3))
	expect.NoError(t, c.AwaitAck(3))
	expect.NoError(t, c.SendBatch(4, 6))
	expect.NoError(t, c.AwaitAck(6))
	pid := int(s.session("client").GetHandlerPid())
	s.Kill()
	segments, err := filepath.Glob(filepath.Join(s.RunDir, "journal", "*.seg"))
	expect.NoError(t, err)
	data, err := os.ReadFile(segments[len(segments)-1])
	expect.NoError(t, err)
	data[len(bytes.TrimRight(data, "\x00"))-1] ^= 1 // of the last record: zeros may be behind it
	expect.NoError(t, os.WriteFile(segments[len(segments)-1], data, 0o600))
	expect.NoError(t, c.SendBatch(7, 9))

	s = startCommand(t, command(state, "--session-grace", "1s"))
	if err := c.End(); err == nil {
		t.Error("the stream ended in order")
	}
	rep := s.finish(exitPartial)
	got := expect.Client(t, rep, "client")
	if cause := got.Connections[0].DetachCause; cause != "the journal lost acknowledged records: messages 4 to 6 are "+
		"missing" {
		t.Errorf("the connection was lost because of %q", cause)
	}
	if !got.LostAcknowledged || !got.Connections[0].LostAcknowledged || !rep.Run.Restarts[0].TornMayBeAcknowledged {
		t.Errorf("lost: client %v, connection %v, torn %v; want all of them", got.LostAcknowledged,
			got.Connections[0].LostAcknowledged, rep.Run.Restarts[0].TornMayBeAcknowledged)
	}
	if h := expect.Handler(t, rep, pid); h.Exit == nil || h.Exit.Class != report.ExitClean || !h.LostAcknowledged {
		t.Errorf("handler %d: lost %v, %+v; want it to have ended in order", pid, h.LostAcknowledged, h.Exit)
	}
}
