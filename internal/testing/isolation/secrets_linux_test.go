package isolation_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
)

// The secrets of a supervisor and of a client are in the environment and on the command line of none
// of their processes: not of handlers, the spawner, consumers and the monitor, whatever secret it is,
// and the token not of the two themselves, also after an upgrade.
func TestSecretsAreSeenInNoProcess(t *testing.T) { // not parallel: it changes the environment
	const secret = "do-not-pass-on"
	t.Setenv("BULKHEAD_TOKEN", token)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	s := start(t, "--handler-pool", "2", "--clients", "1")
	c, err := harness.StartClient(bin, shortFolder(t, "load"), s.Addr, "alpha", "--runtime", "5m", "--consumers", "2",
		"--chunk-size", "4KiB", "--file-size", "64KiB", "--rate-bytes", "64KiB")
	expect.NoError(t, err)
	t.Cleanup(c.Kill)
	expect.Eventually(t, func() error {
		consumers, err := c.Workers("consumer")
		at := s.status().GetSessions()
		if err == nil && (len(consumers) != 2 || len(at) != 1 || at[0].GetDurableSeq() == 0) {
			err = fmt.Errorf("%d consumers are at work: %v", len(consumers), at)
		}
		return err
	})
	s.settled(1, 2)
	look := func(when string) {
		t.Helper()
		kinds := make(map[string]int)
		for _, parent := range []int{s.Pid(), c.Pid()} {
			hasNot(t, when, parent, token)
			children, err := harness.Children(parent, "")
			expect.NoError(t, err)
			for _, pid := range children {
				hasNot(t, when, pid, token, secret)
				kinds[harness.ProgramOf(pid)]++
			}
		}
		// three handlers; two consumers and the monitor
		if kinds["bulkhead-handler"] != 3 || kinds[harness.Spawner] != 1 || kinds["bulkhead"] != 3 {
			t.Errorf("%s there are these children: %v", when, kinds)
		}
	}
	look("before an upgrade")
	first := s.spawner(0)
	if said, err := s.upgrade(bin); err != nil {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	s.restarts(1)
	s.spawner(first)
	s.settled(1, 2)
	look("after an upgrade")
	s.await("alpha", "active") // with the token, which a Hello is asked for again
	expect.NoError(t, c.Signal(syscall.SIGTERM))
	s.finish(exitstatus.Interrupted)
}

// hasNot checks that none of the texts are in what others can see of a process.
func hasNot(t *testing.T, when string, pid int, texts ...string) {
	t.Helper()
	for _, name := range []string{"environ", "cmdline"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		expect.NoError(t, err)
		for _, text := range texts {
			if bytes.Contains(data, []byte(text)) {
				t.Errorf("%s, /proc/%d/%s of %s has %q: %q", when, pid, name, harness.ProgramOf(pid), text,
					strings.ReplaceAll(string(data), "\x00", " "))
			}
		}
	}
}
