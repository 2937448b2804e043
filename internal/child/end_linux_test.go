package child

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTheEndIsSeenWithoutDescriptors takes every descriptor from this process while it waits
// for a child: its end is seen all the same.
func TestTheEndIsSeenWithoutDescriptors(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	others := pidfds(t)
	ended := make(chan struct{})
	go func() { // ends with the child
		defer close(ended)
		awaitEnd(cmd.Process.Pid)
	}()
	for deadline := time.Now().Add(30 * time.Second); pidfds(t) <= others; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits for the child")
		}
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Error("the end of the child is not seen")
	}
}

// pidfds is how many this process has open.
func pidfds(t *testing.T) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if to, err := os.Readlink(fd); err == nil && strings.Contains(to, "[pidfd]") {
			n++
		}
	}
	return n
}
