package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTheEndIsSeenWithoutDescriptors takes every descriptor from this process while it waits
// for a child, which has none: its end is seen all the same.
func TestTheEndIsSeenWithoutDescriptors(t *testing.T) {
	child := started(t, "sleep", "600")
	if n := pidfds(t, child.pid); n != 0 {
		t.Errorf("%d pidfds are open for the child", n)
	}
	ended := make(chan Exit, 1)
	go func() { ended <- child.wait() }() // ends with the child
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	if err := child.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-ended:
		if e.Pid != child.pid || e.Signal != syscall.SIGKILL || e.Err != nil {
			t.Errorf("exit = %+v; want killed", e)
		}
	case <-time.After(30 * time.Second):
		t.Error("the end of the child is not seen")
	}
}

// started starts a program, and has it killed and reaped after the test.
func started(t *testing.T, name string, args ...string) *target {
	t.Helper()
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := targetOf(cmd.Process)
	t.Cleanup(func() {
		_ = child.signal(syscall.SIGKILL) // most have ended
		awaited(t, child)
	})
	return child
}

// awaited waits for the end of a child.
func awaited(t *testing.T, child *target) Exit {
	t.Helper()
	ended := make(chan Exit, 1)
	child.onEnd(func(e Exit) { ended <- e })
	select {
	case e := <-ended:
		return e
	case <-time.After(30 * time.Second):
		t.Fatalf("the end of child %d is not seen", child.pid)
		return Exit{}
	}
}

// pidfds returns how many pidfds of a process this one has open. Those of others come and go: the
// runtime closes one when its os.Process is collected.
func pidfds(t *testing.T, pid int) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	of := fmt.Sprintf("\nPid:\t%d\n", pid) // proc_pid_fdinfo(5)
	for _, name := range all {
		if info, err := os.ReadFile(name); err == nil && strings.Contains(string(info), of) {
			n++
		}
	}
	return n
}

// TestATargetThatIsGone signals a process that was waited for.
func TestATargetThatIsGone(t *testing.T) {
	child := started(t, "true")
	if e := awaited(t, child); e.Pid != child.pid || e.Code != 0 || e.Err != nil || e.MaxResident == 0 {
		t.Errorf("exit = %+v; want 0", e)
	}
	for range 2 { // before it is closed, and after
		if err := child.signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("signalling it: %v", err)
		}
		child.close()
	}
}
