package child

import (
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Where the kernel does not signal a group by a pidfd, its members are found, and nobody else.
func TestMembersOfAGroup(t *testing.T) {
	leader, other := exec.Command("sleep", "600"), exec.Command("sleep", "600")
	leader.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	defer leader.Process.Kill()
	member := exec.Command("sleep", "600")
	member.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: leader.Process.Pid}
	for _, cmd := range []*exec.Cmd{member, other} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Process.Kill()
	}
	session, err := unix.Getsid(leader.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	in := func(session int) func(int) bool {
		return func(pid int) bool { its, err := unix.Getsid(pid); return err == nil && its == session }
	}
	endMembers(leader.Process.Pid, in(session+1))
	for _, cmd := range []*exec.Cmd{leader, member, other} {
		if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("of another session: %v", err)
		}
	}
	endMembers(leader.Process.Pid, in(session))
	for _, cmd := range []*exec.Cmd{leader, member} {
		_ = cmd.Wait() // its error says how it ended
		if s := cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGKILL {
			t.Errorf("a member ended by %v", s)
		}
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("a process of another group: %v", err)
	}
	_ = other.Process.Kill()
	_ = other.Wait() // killed, as asked
}
