package supervisor_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor"
	"bulkhead/supervisor/control"
	"bulkhead/supervisor/rundir"
)

// stateDirs returns state directories with paths of all lengths: with room for the
// sockets in them, too long for the handlers' sockets, and too long for any.
func stateDirs(t *testing.T) map[string]string {
	t.Helper()
	base, err := os.MkdirTemp("", "") // t.TempDir's paths are long
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(base) })
	dirs := map[string]string{"short": filepath.Join(base, "state")}
	for name, length := range map[string]int{"too long for handlers": 85, "too long for all": 300} {
		dir := base
		for len(dir) < length-12 {
			dir = filepath.Join(dir, strings.Repeat("d", 10))
		}
		dirs[name] = dir + "/" + strings.Repeat("s", max(1, length-len(dir)-1))
	}
	return dirs
}

func TestStateDirsOfAllLengthsWork(t *testing.T) {
	t.Parallel()
	for name, dir := range stateDirs(t) {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(c *supervisor.Config) { c.StateDir = dir })
			c := s.greet(rawclient.Hello("alpha"), 0)
			s.deliver(c, 1, 3)
			if st := s.session("alpha"); st.GetDurableSeq() != 3 {
				t.Errorf("status %v; want 3 messages", st)
			}
			target, err := filepath.EvalSymlinks(filepath.Join(dir, "sock"))
			must(t, err)
			if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the folder of the sockets: %v, %v; want mode 0700", info, err)
			}
			if info, err := os.Stat(filepath.Join(dir, "supervisor.sock")); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the control socket: %v, %v; want mode 0600", info, err)
			}
			s.closeInOrder(c, 3)
			s.wait()
			wantNoSockets(t, dir, target)
		})
	}
}

// wantNoSockets checks that nothing is left but the runs and the lock.
func wantNoSockets(t *testing.T, dir string, also ...string) {
	t.Helper()
	for _, path := range append(also, filepath.Join(dir, "sock"), filepath.Join(dir, "supervisor.sock")) {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
}

func TestTwoSupervisorsDoNotShareAStateDir(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	c := s.greet(rawclient.Hello("alpha"), 0)
	cfg := settings(s.state)
	cfg.Ready = func(supervisor.Ready) { t.Error("the second got ready") }
	_, err := supervisor.Run(t.Context(), cfg, nil)
	if !errors.Is(err, rundir.ErrLocked) || !strings.Contains(err.Error(), s.state) {
		t.Errorf("the second ended with %v; want ErrLocked and where", err)
	}
	s.deliver(c, 1, 3) // the first is unharmed
	if st := s.status(); st.GetState() != "running" {
		t.Errorf("state %q; want running", st.GetState())
	}
	s.closeInOrder(c, 3)
	if rep := s.wait(); !rep.Complete() {
		t.Errorf("verdict %+v; want complete", rep.Verdict)
	}
}

func TestControlWithoutASupervisor(t *testing.T) {
	t.Parallel()
	stale := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(stale, "supervisor.sock")})
	must(t, err)
	l.SetUnlinkOnClose(false)
	must(t, l.Close())
	for name, dir := range map[string]string{
		"an empty folder":        t.TempDir(),
		"no folder":              filepath.Join(t.TempDir(), "missing"),
		"no folder, a long path": filepath.Join(t.TempDir(), strings.Repeat("l", 120)),
		"a stale socket":         stale,
	} {
		ctl, err := control.Dial(t.Context(), dir)
		if err == nil {
			ctl.Close()
		}
		if !errors.Is(err, control.ErrNotRunning) {
			t.Errorf("%s: %v; want ErrNotRunning", name, err)
		}
	}
}

// TestAKilledSupervisorIsReplaced kills a supervisor with a client at work. The next
// one on the same state directory continues the run, over the very same connection,
// and cleans up at the end.
func TestAKilledSupervisorIsReplaced(t *testing.T) {
	t.Parallel()
	for name, dir := range stateDirs(t) {
		t.Run(name, func(t *testing.T) {
			cmd, killed := startProcess(t, dir)
			c := killed.greet(rawclient.Hello("alpha"), 0)
			killed.deliver(c, 1, 3)
			pid := killed.session("alpha").GetHandlerPid()
			target, err := filepath.EvalSymlinks(filepath.Join(dir, "sock"))
			must(t, err)
			must(t, cmd.Process.Kill())
			if err := cmd.Wait(); err == nil {
				t.Fatal("the supervisor ended in order")
			}
			must(t, c.SendBatch(4, 6)) // to the handler, which has nobody to give it to
			if _, err := os.Stat(filepath.Join(dir, "supervisor.sock")); err != nil {
				t.Fatalf("the killed supervisor left no control socket: %v", err)
			}

			s := start(t, func(c *supervisor.Config) { c.StateDir = dir })
			if s.dir != killed.dir {
				t.Errorf("the run continues in %s; want %s", s.dir, killed.dir)
			}
			must(t, c.AwaitAck(6))
			if now := s.session("alpha"); now.GetHandlerPid() != pid || now.GetState() != "active" ||
				now.GetResumes() != 0 {
				t.Errorf("the session is %v; want it active with handler %d", now, pid)
			}
			s.closeInOrder(c, 6)
			rep := s.wait()
			if got := wantClient(t, rep, "alpha", "closed", "said goodbye"); got.Messages != 6 || got.Resumes != 0 {
				t.Errorf("%d messages, %d resumes; want 6 and none", got.Messages, got.Resumes)
			}
			if !rep.Complete() {
				t.Errorf("the verdict is %+v; want complete", rep.Verdict)
			}
			s.check()
			wantNoSockets(t, dir, target)
		})
	}
}

// startProcess starts a supervisor as a process of its own.
func startProcess(t *testing.T, dir string) (*exec.Cmd, *running) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), stateEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	r := &running{t: t, state: dir, log: newEvents(t.Output())}
	_, err = fmt.Sscan(line, &r.addr, &r.dir)
	must(t, err)
	return cmd, r
}
