package isolation_test

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// When a control group has no memory left, the kernel ends the handler that grows: the
// supervisor and the other sessions live.
func TestTheKernelEndsTheHandlerThatGrows(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("programs with the race detector have memory of their own")
	}
	dir, err := faulty()
	expect.NoError(t, err)
	wrap := inGroup(t, "memory", map[string]string{"memory.limit_in_bytes": "300M"})
	s := startCommand(t, wrap(commandFrom(dir, newStateDir(t), "--clients", "2", "--log-level", "info",
		"--handler-memory-max", "64GiB", "--handler-memory-limit", "64GiB", "--session-grace", "1s")))
	by := bystander(t, s, rawclient.Hello("bystander"))
	greedy := s.dial()
	_, err = greedy.Greet(rawclient.Hello("greedy"))
	expect.NoError(t, err)
	expect.NoError(t, greedy.Send(fault(1, "oom")))
	ended, err := s.Await(patience, func(l harness.LogLine) bool {
		return l.Text("msg") == "handler ended badly" && l.Text("client") == "greedy"
	})
	expect.NoError(t, err)
	if cause := ended.Text("cause"); !strings.Contains(cause, "memory") {
		t.Errorf("its handler ended as %q; want that the system had no memory", cause)
	}
	s.await("greedy", "lost")
	for range 20 {
		by.goesOn(t)
	}
	// Until the one that grows has given its memory back, the kernel may choose another one, too.
	if c := s.session("bystander"); c.GetResumes() > 1 {
		t.Errorf("the bystander lost its handler %d times", c.GetResumes())
	}
	sent := by.finish(t)
	s.finish(exitPartial)
	journalled(t, s, map[*load]uint64{by: sent})
}

// A handler that somebody kills has not run out of memory, whatever the kernel has ended in another
// control group meanwhile.
func TestAKillBesideAnotherGroupsLackOfMemory(t *testing.T) {
	t.Parallel()
	hog := inGroup(t, "memory", map[string]string{"memory.limit_in_bytes": "20M"})
	s := start(t, "--clients", "1", "--log-level", "info")
	l := startLoad(t, s, rawclient.Hello("alpha"), 1, 16, 4)
	l.goesOn(t)
	victim := int(s.session("alpha").GetHandlerPid())
	grows := hog(stateCommand{Cmd: exec.Command("/bin/tail", "/dev/zero")})
	if err := grows.Run(); grows.ProcessState == nil || grows.ProcessState.Sys().(syscall.WaitStatus).Signal() !=
		syscall.SIGKILL {
		t.Fatalf("the kernel did not end what grows: %v", err)
	}
	expect.NoError(t, syscall.Kill(victim, syscall.SIGKILL))
	ended, err := s.Await(patience, func(l harness.LogLine) bool { return l.Text("msg") == "handler ended badly" })
	expect.NoError(t, err)
	if cause := ended.Text("cause"); cause != sigkilled {
		t.Errorf("the handler ended as %q; want %q", cause, sigkilled)
	}
	l.goesOn(t)
	sent := l.finish(t)
	s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{l: sent})
}

// However little memory there is for what waits for the journal, every session continues.
func TestInboxMemoryHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	const clients = 6
	s := start(t, "--clients", fmt.Sprint(clients), "--overload-inbox-memory", "1KiB", "--log-level", "info")
	var loads []*load
	for i := range clients {
		loads = append(loads, startLoad(t, s, rawclient.Hello(fmt.Sprintf("client-%d", i)), uint32(i), 200, 16))
	}
	for range 3 {
		for _, l := range loads {
			l.goesOn(t)
		}
	}
	expect.Eventually(t, func() error {
		of := reserveOf(s.status(), bulkheadv1.ReserveKind_RESERVE_KIND_INBOXES)
		if of.GetLimit() != 1024 || of.GetTimesReached() == 0 {
			return fmt.Errorf("status says of inboxes: %v; want that they were full", of)
		}
		return nil
	})
	sent := make(map[*load]uint64)
	for _, l := range loads {
		sent[l] = l.finish(t)
	}
	s.finish(exitComplete)
	journalled(t, s, sent)
}
