package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// zombie starts a program that ends at once, and returns when it has.
func zombie(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			return cmd
		}
		if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

// looks returns how often the reaper has asked the kernel for a child that has ended.
func looks() int {
	children.mu.Lock()
	defer children.mu.Unlock()
	return children.looks
}

// Many that end in the same instant are told apart, each once.
func TestManyEndAtOnce(t *testing.T) {
	const many = 200
	hold, release, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var all []*target
	told := make([]int, many)
	var mu sync.Mutex
	for i := range many {
		cmd := exec.Command("sh", "-c", fmt.Sprintf("read line; exit %d", i))
		cmd.Stdin = hold
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, targetOf(cmd.Process))
		all[i].onEnd(func(Exit) {
			mu.Lock()
			defer mu.Unlock()
			told[i]++
		})
	}
	hold.Close()
	release.Close()
	for i, child := range all {
		if e := awaited(t, child); e.Pid != child.pid || e.Code != i || e.Err != nil || e.MaxResident == 0 {
			t.Errorf("exit of child %d (pid %d) = %+v", i, child.pid, e)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for i, n := range told {
		if n != 1 {
			t.Errorf("the end of child %d was told %d times", i, n)
		}
	}
}

// A child of somebody else that has ended, and is not reaped, hides none of ours, is left alone, and
// costs no more than a look for each end.
func TestAnothersZombie(t *testing.T) {
	runtime.LockOSThread() // the kernel looks through the children of a thread from the oldest on
	defer runtime.UnlockOSThread()
	alive := started(t, "sleep", "600") // the reaper is at work
	foreign := zombie(t, "sh", "-c", "exit 7")
	const ends = 20
	before := looks()
	for i := range ends {
		if e := awaited(t, started(t, "sh", "-c", fmt.Sprintf("exit %d", i))); e.Code != i || e.Err != nil {
			t.Errorf("exit = %+v; want %d", e, i)
		}
	}
	if n := looks() - before; n > 2*ends+2 { // Go's own check of pidfds ends a child, too
		t.Errorf("%d looks for the ends of %d children", n, ends)
	}
	if err := alive.signal(0); err != nil {
		t.Errorf("the child that runs: %v", err)
	}
	var exit *exec.ExitError
	if err := foreign.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("waiting for somebody else's child: %v; want its exit status, 7", err)
	}
	if err := alive.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if e := awaited(t, alive); e.Signal != syscall.SIGTERM {
		t.Errorf("exit = %+v; want SIGTERM", e)
	}
}

// A child whose signal came before it was owned is not forgotten.
func TestAChildThatEndsBeforeItIsOwned(t *testing.T) {
	for _, other := range []bool{false, true} {
		if other {
			started(t, "sleep", "600")
		}
		before := looks()
		cmd := zombie(t, "sh", "-c", "exit 5")
		for other && looks() == before { // it was seen, as somebody else's
			runtime.Gosched()
		}
		if e := awaited(t, targetOf(cmd.Process)); e.Code != 5 || e.Err != nil {
			t.Errorf("with another child %t: exit = %+v; want 5", other, e)
		}
	}
}

// A child is owned until the very call that reaps it, by however many, and is nobody's stray.
func TestAChildIsOwnedUntilItIsReaped(t *testing.T) {
	child := started(t, "sleep", "600")
	stat, err := readStat(child.pid)
	if err != nil {
		t.Fatal(err)
	}
	if strays, err := children.endStrays(&session{pid: stat.session}, false); len(strays) > 0 || err != nil {
		t.Errorf("strays = %v, %v; want none", strays, err)
	}
	if children.reap(child) {
		t.Error("a child that runs was reaped")
	}
	again := children.claim(child.pid, stat.startTicks)
	if again != child || children.own(child.pid) != child {
		t.Error("a child that is owned has another owner")
	}
	if children.claim(child.pid, stat.startTicks+1) != nil || children.claim(os.Getpid(), stat.startTicks) != nil {
		t.Error("another process was claimed")
	}
	if err := child.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if e := awaited(t, child); e.Signal != syscall.SIGTERM || e.Err != nil {
			t.Errorf("exit = %+v; want SIGTERM", e)
		}
	}
	if children.claim(child.pid, stat.startTicks) != nil {
		t.Error("a child that was reaped was claimed")
	}
}

// Where there is no descriptor left, strays are not taken for none. One that was swept is nobody's
// any more.
func TestStraysAreFoundInTheEnd(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	self, err := readStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	ours := &session{pid: self.session}
	var was unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Max: was.Max}, nil); err != nil {
		t.Fatal(err)
	}
	strays, err := children.endStrays(ours, true)
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &was, nil); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("without a descriptor: %v, %v; want EMFILE", strays, err)
	}
	if strays, err := children.endStrays(ours, true); !slices.Equal(strays, []int{pid}) || err != nil {
		t.Errorf("strays = %v, %v; want %d", strays, err, pid)
	}
	if _, err := children.ownOf(ours, pid); !errors.Is(err, errSwept) {
		t.Errorf("owning a child that was swept: %v", err)
	}
	if err := cmd.Wait(); !errors.Is(err, unix.ECHILD) {
		t.Errorf("waiting for it: %v; want that it was reaped", err)
	}
}

// inNamespace is an entry of the environment in a process that has its own pids.
const inNamespace = "CHILD_TEST_NAMESPACE"

// A child whose pid another one has got is neither signalled in its place nor taken for it.
func TestAPidThatIsAnothersNow(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
		runtime.LockOSThread() // Pdeathsig is of this thread's end
		defer runtime.UnlockOSThread()
		out, err := cmd.CombinedOutput()
		if errors.Is(err, unix.EPERM) || strings.Contains(string(out), "--- SKIP") {
			t.Skipf("no pids of its own: %v\n%s", err, out)
		}
		if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	reused := 0
	for i := range 50 {
		first := exec.Command("sh", "-c", fmt.Sprintf("exit %d", i))
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		earlier := targetOf(first.Process)
		if e := awaited(t, earlier); e.Code != i {
			t.Errorf("exit = %+v; want %d", e, i)
		}
		reuse(t, earlier.pid)
		nobodys := zombie(t, "sh", "-c", "exit 77")
		earlier.mayHaveEnded()
		if e := awaited(t, targetOf(nobodys.Process)); e.Code != 77 {
			t.Errorf("exit of another one, perhaps with pid %d = %+v; want 77", earlier.pid, e)
		}
		reuse(t, earlier.pid)
		later := started(t, "sleep", "600")
		if later.pid == earlier.pid { // it may be a thread's
			reused++
		}
		if err := earlier.signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("signalling the first one: %v", err)
		}
		if err := later.signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if e := awaited(t, later); e.Signal != syscall.SIGTERM || e.Err != nil {
			t.Errorf("exit of the second one = %+v; want SIGTERM", e)
		}
		if e := awaited(t, earlier); e.Code != i || e.Signal != 0 {
			t.Errorf("exit of the first one = %+v; want %d", e, i)
		}
	}
	if reused == 0 {
		t.Error("no pid was another's")
	}
}

// reuse gives the next process or thread of the namespace a pid.
func reuse(t *testing.T, pid int) {
	t.Helper()
	last := []byte(fmt.Sprint(pid - 1))
	if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", last, 0); err != nil {
		t.Skip(err)
	}
}
