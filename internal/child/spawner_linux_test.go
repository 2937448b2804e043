package child_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/internal/child"
	"bulkhead/internal/child/spawner"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// spawn does what the spawner does in each role.
func spawn(r string) int {
	switch r {
	case "mute":
		forever()
	case "foreign":
		return 64
	case "wrapped": // runs the spawner, which should be in its place
		cmd := exec.Command(os.Args[0], spawner.Argument)
		cmd.Env = append(os.Environ(), role+"=")
		cmd.ExtraFiles = []*os.File{os.NewFile(spawner.LineFD, "line")}
		_ = cmd.Run() // until its line ends
		return 0
	case "forgetful", "stuck", "hasty": // starts a child, and dies or stops before, or after it says so
		return forget(r)
	}
	if err := spawner.Serve(nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// forget starts one child on request, and serves no other.
func forget(r string) int {
	unix.CloseOnExec(spawner.LineFD)
	if _, err := unix.Write(spawner.LineFD, spawner.Hello().Bytes()); err != nil {
		return 1
	}
	packet, oob := make([]byte, spawner.MaxRequestBytes), make([]byte, 256)
	n, oobn, _, _, err := unix.Recvmsg(spawner.LineFD, packet, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		return 1
	}
	var fds []int
	messages, _ := unix.ParseSocketControlMessage(oob[:oobn])
	for i := range messages {
		got, _ := unix.ParseUnixRights(&messages[i])
		fds = append(fds, got...)
	}
	req, err := spawner.ParseRequest(packet[:n], len(fds))
	if err != nil {
		return 1
	}
	files := []uintptr{0}
	for _, f := range req.Files {
		files = append(files, uintptr(fds[f]))
	}
	pid, err := syscall.ForkExec(req.Path, req.Args, &syscall.ProcAttr{Env: req.Env, Files: files,
		Sys: &syscall.SysProcAttr{Setpgid: true, Cloneflags: syscall.CLONE_PARENT}})
	if err != nil {
		return 1
	}
	switch r {
	case "stuck":
		unix.Kill(os.Getpid(), unix.SIGSTOP)
	case "hasty":
		unix.Sendmsg(spawner.LineFD, spawner.Answer{Pid: uint32(pid)}.Bytes(), nil, nil, 0)
		unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	return 9
}

// runSpawner runs a spawner until stop is called, at the latest when the test ends. Then none
// of its children may be left that nobody has waited for.
func runSpawner(t *testing.T, r string, log *slog.Logger) (s *child.Spawner, stop func()) {
	t.Helper()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s = child.NewSpawner(os.Args[0], []string{role + "=" + r}, log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ended and awaited by stop
		defer close(done)
		s.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
		if n, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
			t.Errorf("children are left: %d, %v", n, err)
		}
	}
	t.Cleanup(stop) // behind those of the children
	return s, stop
}

// noZombie checks that no child of this process has ended without being reaped.
func noZombie(t *testing.T) {
	t.Helper()
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil || info.Signo != 0 {
		t.Errorf("there is a zombie: %v", err)
	}
}

// ready waits for a spawner other than that one, and returns its pid.
func ready(t *testing.T, s *child.Spawner, but int) int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if pid := s.Pid(); pid != 0 && pid != but {
			return pid
		}
	}
	t.Fatal("there is no spawner")
	return 0
}

// spawned starts a child that serves, by a spawner if there is one.
func spawned(t *testing.T, s *child.Spawner, r string) *child.Child {
	t.Helper()
	cfg := config(r, t.TempDir(), nil)
	cfg.DieWithParent, cfg.Spawner = false, s
	c, err := child.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Kill() })
	return c
}

// statField returns a number of /proc/PID/stat, numbered as in proc_pid_stat(5).
func statField(t *testing.T, pid, field int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))[field-3])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const parentField, groupField, sessionField = 4, 5, 6

// openFiles returns what a process has open, without what differs from process to process: the numbers
// of what it opened itself, in whatever order its threads came to it, are left out.
func openFiles(t *testing.T, pid int) (open []string) {
	t.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		to, err := os.Readlink(fd)
		if err != nil || strings.HasPrefix(to, "/sys/fs/cgroup/") {
			continue
		}
		kind, _, _ := strings.Cut(to, "[")
		if number := filepath.Base(fd); number <= "3" && len(number) == 1 {
			kind = number + " " + kind
		}
		open = append(open, kind)
	}
	slices.Sort(open)
	return open
}

// A child of the spawner is this process's own, and is as if this process had forked it.
func TestASpawnersChildIsItsParentsOwn(t *testing.T) {
	s, _ := runSpawner(t, "", nil)
	pid := ready(t, s, 0)
	direct, by := spawned(t, nil, "serve"), spawned(t, s, "serve")
	if got := statField(t, by.Pid(), sessionField); got != pid {
		t.Fatalf("the child's session is %d; want its spawner's, %d", got, pid)
	}
	if got := statField(t, by.Pid(), parentField); got != os.Getpid() {
		t.Errorf("the child's parent is %d; want this process", got)
	}
	if got := statField(t, by.Pid(), groupField); got != by.Pid() {
		t.Errorf("the child's process group is %d; want its own", got)
	}
	// A connection that this process has closed is a child's until it reads so.
	var got, want []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if got, want = openFiles(t, by.Pid()), openFiles(t, direct.Pid()); slices.Equal(got, want) {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the child has open     %q\nwithout a spawner it has %q", got, want)
	}
	if open := openFiles(t, pid); len(open) > 6 { // and two of Go's poller, if it was used
		t.Errorf("the spawner has %q open", open)
	}
	syscall.Kill(by.Pid(), syscall.SIGTERM)
	<-by.Done()
	e := by.Exit()
	if e.Signal != syscall.SIGTERM || e.Err != nil || e.UserCPU+e.SystemCPU == 0 {
		t.Errorf("exit = %+v; want killed by SIGTERM, and its processor time", e)
	}
	if e := by.Kill(); e.Signal != syscall.SIGTERM {
		t.Errorf("exit = %+v; want what it was", e)
	}
}

// A program that cannot be executed is the same error as without a spawner, and no zombie.
func TestASpawnedProgramThatCannotRun(t *testing.T) {
	s, _ := runSpawner(t, "", nil)
	pid := ready(t, s, 0)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		"/nowhere/at/all": syscall.ENOENT, t.TempDir(): syscall.EACCES, text: syscall.ENOEXEC,
	} {
		for _, by := range []*child.Spawner{nil, s} {
			cfg := config("serve", t.TempDir(), nil)
			cfg.Path, cfg.DieWithParent, cfg.Spawner = path, false, by
			c, err := child.Start(context.Background(), cfg)
			if err == nil {
				c.Kill()
			}
			if !errors.Is(err, want) || !strings.Contains(err.Error(), "fork/exec "+path+": ") {
				t.Errorf("%s with a spawner %t: %v; want %v", path, by != nil, err, want)
			}
		}
	}
	noZombie(t)
	if s.Pid() != pid {
		t.Error("the spawner is another one")
	}
}

// A spawner that ends, does not answer, or was none to begin with holds up no child.
func TestASpawnerMayEnd(t *testing.T) {
	var log lines
	s, _ := runSpawner(t, "", slog.New(slog.NewTextHandler(&log, nil)))
	last := ready(t, s, 0)
	kept := spawned(t, s, "serve")
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGABRT} {
		if err := syscall.Kill(last, sig); err != nil {
			t.Fatal(err)
		}
		if sig == syscall.SIGSTOP {
			if err := waitStopped(last); err != nil {
				t.Fatal(err)
			}
		}
		spawned(t, s, "serve")
		last = ready(t, s, last)
	}
	if by := spawned(t, s, "serve"); statField(t, by.Pid(), sessionField) != last {
		t.Error("the spawner that was started again does not start children")
	}
	if err := kept.Ping(within(t)); err != nil {
		t.Errorf("a child of the first spawner: %v", err)
	}
	for _, want := range []string{"killed by signal 9", "hung: it was asked for a child for 1s; killed", "SIGABRT"} {
		if all := strings.Join(log.all(), "\n"); strings.Count(all, want) == 0 {
			t.Errorf("the log does not say %q:\n%s", want, all)
		}
	}
}

// A child whose spawner died, or hung, before it could say so is not lost: it is ended and
// reaped, and another one serves.
func TestAChildThatNobodyWasToldOf(t *testing.T) {
	for _, way := range []string{"forgetful", "stuck"} {
		t.Run(way, func(t *testing.T) {
			var log lines
			s, _ := runSpawner(t, way, slog.New(slog.NewTextHandler(&log, nil)))
			pid := ready(t, s, 0)
			c := spawned(t, s, "serve")
			if got := statField(t, c.Pid(), sessionField); got == pid {
				t.Error("the child is the one that nobody was told of")
			}
			if all := strings.Join(log.all(), "\n"); !strings.Contains(all, "without a chance to say so was killed") {
				t.Errorf("the log does not tell of the other child:\n%s", all)
			}
			wantSecret(t, c) // which the other child may have had, too
			if e := c.Kill(); e.Class() != bulkheadv1.ExitClass_EXIT_CLASS_KILLED {
				t.Errorf("exit = %+v", e)
			}
		})
	}
}

// A spawner that ends in the moment in which it has named a child leaves one that serves.
func TestASpawnerThatEndsWithItsAnswer(t *testing.T) {
	for range 3 {
		s, stop := runSpawner(t, "hasty", nil)
		ready(t, s, 0)
		if e := spawned(t, s, "serve").Kill(); e.Err != nil {
			t.Errorf("exit = %+v", e)
		}
		stop()
	}
}

// A spawner whose children are not this process's is not used, and leaves none.
func TestASpawnerThatIsAnothersChild(t *testing.T) {
	var log lines
	s, stop := runSpawner(t, "wrapped", slog.New(slog.NewTextHandler(&log, nil)))
	pid := ready(t, s, 0)
	c := spawned(t, s, "serve")
	if got := statField(t, c.Pid(), parentField); got != os.Getpid() {
		t.Errorf("the child's parent is %d; want this process", got)
	}
	if err := c.Ping(within(t)); err != nil {
		t.Error(err)
	}
	c.Kill()
	stop()
	for deadline := time.Now().Add(30 * time.Second); len(ofSession(t, pid)) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v are left of the spawner %d", ofSession(t, pid), pid)
		}
	}
	if want, all := "is not this process's child", strings.Join(log.all(), "\n"); !strings.Contains(all, want) {
		t.Errorf("the log does not say %q:\n%s", want, all)
	}
}

// ofSession returns the processes of a session that run.
func ofSession(t *testing.T, session int) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[1-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		name := filepath.Base(path)
		pid, err := strconv.Atoi(name)
		if err != nil {
			t.Fatal(err)
		}
		if its, err := unix.Getsid(pid); err != nil || its != session {
			continue
		}
		if data, err := os.ReadFile(path + "/stat"); err == nil && !bytes.Contains(data, []byte(") Z ")) {
			pids = append(pids, name)
		}
	}
	return pids
}

// A program that is no spawner is not used, and ended with Run however it hangs.
func TestAProgramThatIsNoSpawner(t *testing.T) {
	for _, way := range []string{"mute", "foreign"} {
		t.Run(way, func(t *testing.T) {
			s, stop := runSpawner(t, way, nil)
			c := spawned(t, s, "serve")
			if got := statField(t, c.Pid(), parentField); got != os.Getpid() || s.Pid() != 0 {
				t.Errorf("the child's parent is %d, the spawner %d; want this process, and none", got, s.Pid())
			}
			c.Kill()
			stop()
		})
	}
}

// Hundreds of children leave nothing in the spawner and in this process.
func TestASpawnerKeepsNothing(t *testing.T) {
	s, _ := runSpawner(t, "", nil)
	pid := ready(t, s, 0)
	spawned(t, s, "serve").Kill()
	ours, its := len(openFiles(t, os.Getpid())), openFiles(t, pid)
	for range 100 {
		for _, path := range []string{os.Args[0], "/nowhere"} {
			cfg := config("exit", t.TempDir(), nil)
			cfg.Path, cfg.DieWithParent, cfg.Spawner = path, false, s
			if c, err := child.Start(context.Background(), cfg); err == nil {
				c.Kill()
				t.Fatal("a child that exits at once serves")
			}
		}
	}
	if got := openFiles(t, pid); !slices.Equal(got, its) {
		t.Errorf("the spawner has %q open; had %q", got, its)
	}
	if got := len(openFiles(t, os.Getpid())); got > ours {
		t.Errorf("this process has %d descriptors; had %d", got, ours)
	}
	noZombie(t)
	if s.Pid() != pid {
		t.Error("the spawner is another one")
	}
}

// The end of its parent is the spawner's, also when it is stopped.
func TestASpawnerEndsWithItsParent(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), role+"=parent of a spawner")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Fscan(out, &pid); err != nil {
			t.Fatal(err)
		}
		fd, err := pidfdOpen(pid)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if stopped {
			syscall.Kill(pid, syscall.SIGSTOP)
			awaitState(t, pid, 'T')
		}
		cmd.Process.Kill()
		_ = cmd.Wait() // killed
		if err := waitReadable(fd, 30*time.Second); err != nil {
			t.Errorf("stopped %t: the spawner outlives its parent: %v", stopped, err)
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
