package isolation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
)

// Some of what locks a handler in is done by the spawner ahead of time, for the thread that starts
// it, and what is missing by the handler itself. Either way every thread of a handler has all of it.
func TestEveryThreadOfAHandlerIsLockedIn(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("the race detector brings threads that no layer reaches")
	}
	programs, err := faulty()
	expect.NoError(t, err)
	for name, failpoints := range map[string]string{"by the spawner": "", "without one": "spawner/before-answer=kill"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := commandFrom(programs, newStateDir(t), "--clients", "1", "--handler-pool", "1")
			cmd.Env = append(os.Environ(), "BULKHEAD_FAILPOINTS="+failpoints)
			s := startCommand(t, cmd)
			c := s.dial()
			greet(t, c, rawclient.Hello("c"))
			handler := int(s.session("c").GetHandlerPid())
			nice := priority(t, s.Pid()) + 3
			tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", handler))
			expect.NoError(t, err)
			if len(tasks) < 2 {
				t.Fatalf("handler %d has the threads %q", handler, tasks)
			}
			for _, task := range tasks {
				var tid int
				_, err := fmt.Sscan(filepath.Base(task), &tid)
				expect.NoError(t, err)
				if got := priority(t, tid); got != nice {
					t.Errorf("thread %d has priority %d; want %d", tid, got, nice)
				}
				status, err := os.ReadFile(filepath.Join(task, "status"))
				expect.NoError(t, err)
				for _, line := range lockedLines() {
					if !strings.Contains(string(status), "\n"+line+"\n") {
						t.Errorf("thread %d has no line %q:\n%s", tid, line, status)
					}
				}
			}
			c.Close()
		})
	}
}

// lockedLines are lines of a locked thread's /proc/PID/task/TID/status.
func lockedLines() []string {
	const none = "0000000000000000"
	lines := []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapInh:\t" + none, "CapPrm:\t" + none, "CapEff:\t" + none,
		"CapAmb:\t" + none}
	if os.Geteuid() == 0 {
		const ids = "\t65534\t65534\t65534\t65534"
		lines = append(lines, "Uid:"+ids, "Gid:"+ids, "Groups:\t ")
	}
	return lines
}

// priority returns how nice a thread is.
func priority(t *testing.T, tid int) int {
	t.Helper()
	n, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	expect.NoError(t, err)
	return 20 - n
}
