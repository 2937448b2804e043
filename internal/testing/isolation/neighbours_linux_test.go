package isolation_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Where clients would take the last process identifiers of a machine, further ones are refused, with
// what an operator can raise, and whatever else runs there still starts its processes.
func TestTheMachineKeepsProcesses(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("programs with the race detector have threads of their own")
	}
	const most, neighbours = 500, 100
	s := startCommand(t, numbered(t, most)(command(newStateDir(t), "--log-level", "info")))
	by := bystander(t, s, rawclient.Hello("bystander"))
	refused := 0
	for i := 0; i < most && refused == 0; i++ {
		c, err := rawclient.Dial(t.Context(), s.Addr)
		expect.NoError(t, err)
		defer c.Close()
		if _, err := c.Greet(rawclient.Hello(fmt.Sprintf("client-%d", i))); err != nil {
			refused = i
		}
	}
	if refused < 10 {
		t.Errorf("client %d was refused; want one after ten or more", refused)
	}
	_, err := s.Await(patience, func(l harness.LogLine) bool {
		return l.Text("msg") == "connections are shed" && strings.Contains(l.Text("reason"), "kernel.pid_max")
	})
	expect.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	fork := fmt.Sprintf(`for i in $(seq %d); do sleep 600 >/dev/null 2>&1 & done; jobs -p | wc -l; kill $(jobs -p)`,
		neighbours)
	said, err := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(s.Pid()), "--pid", "--mount", "bash",
		"-c", fork).CombinedOutput()
	if got := strings.TrimSpace(string(said)); err != nil || got != strconv.Itoa(neighbours) {
		t.Errorf("of %d processes beside it there are %q, %v", neighbours, got, err)
	}
	by.goesOn(t)
	of := reserveOf(s.status(), bulkheadv1.ReserveKind_RESERVE_KIND_THREADS)
	if !strings.HasSuffix(of.GetLimitedBy(), "pid_max") || of.GetReserve() < neighbours || !of.GetReached() {
		t.Errorf("status says of threads: %v; want what is left to others, and that it was reached", of)
	}
}

// numbered returns what makes a command run in a PID namespace of its own with so many process
// identifiers at most. It skips the test where it would bound the machine's.
func numbered(t *testing.T, most int) func(stateCommand) stateCommand {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root makes PID namespaces")
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	expect.NoError(t, err)
	var major, minor int
	if _, err := fmt.Sscanf(string(release), "%d.%d", &major, &minor); err != nil || major*100+minor < 614 {
		t.Skipf("a PID namespace has no pid_max of its own before Linux 6.14; this is %s", release)
	}
	script := fmt.Sprintf(`mount --make-rprivate / && mount -t proc proc /proc && `+
		`echo %d > /proc/sys/kernel/pid_max && exec "$@"`, most)
	return func(cmd stateCommand) stateCommand {
		cmd = wrapped(script)(cmd)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
		return cmd
	}
}
