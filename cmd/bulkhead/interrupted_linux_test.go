package main

import (
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

// One signal ends a command that has done its work and that nobody reads, also where a
// signal that comes while it is at work has it end in order.
func TestOneSignalEndsWhatNobodyReads(t *testing.T) {
	for name, args := range map[string][]string{
		"conformance": {"client", "conformance", "--only", "session", "--", "/bin/true"},
		"verify":      {"verify", filesOfAConsumer(t)},
		"version":     {"version"},
	} {
		t.Run(name, func(t *testing.T) {
			r, w := full(t)
			defer r.Close()
			cmd := exec.Command("bulkhead", args...)
			cmd.Stdout = w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { // ends with the command, which is killed at the latest
				cmd.Wait()
				close(ended)
			}()
			end := time.After(patience)
			for !printing(t, cmd.Process.Pid) {
				select {
				case <-ended:
					t.Fatalf("it ends before it prints, with %s", cmd.ProcessState)
				case <-time.After(time.Millisecond):
				}
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ended:
			case <-end:
				cmd.Process.Kill()
				<-ended
				t.Fatal("it does not end")
			}
			if status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
				t.Errorf("it ends with %s; want SIGTERM", cmd.ProcessState)
			}
		})
	}
}

// full returns a pipe that takes nothing.
func full(t *testing.T) (r, w *os.File) {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	size, err := unix.FcntlInt(uintptr(ends[1]), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(ends[1], make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(ends[0]), "full"), os.NewFile(uintptr(ends[1]), "full")
	t.Cleanup(func() { w.Close() })
	return r, w
}

// printing reports whether a thread of a process waits in write(2) for the reader of its
// standard output.
func printing(t *testing.T, pid int) bool {
	t.Helper()
	calls, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range calls {
		if call, err := os.ReadFile(name); err == nil &&
			strings.HasPrefix(string(call), fmt.Sprintf("%d 0x1 ", unix.SYS_WRITE)) {
			return true
		}
	}
	return false
}

// filesOfAConsumer returns a folder with a file that a consumer seems to have left.
func filesOfAConsumer(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "consumer-0")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "load-00000000.dat"), make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
