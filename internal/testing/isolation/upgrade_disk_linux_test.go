package isolation_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/testing/frozen"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
)

// wantNoUpgrade asks for an upgrade that a disk stands in the way of.
func wantNoUpgrade(t *testing.T, s *running) {
	t.Helper()
	said, err := s.upgrade(bin)
	if err == nil || !strings.Contains(said, "the disk of the state directory does not answer") {
		t.Errorf("upgrade says %v\n%s", err, said)
	}
	if got := s.status().GetRestarts(); got != 0 {
		t.Errorf("%d restarts; want none", got)
	}
}

// A disk that does not answer refuses an upgrade, and changes nothing. When it answers again the
// load continues, and an upgrade works.
func TestAnUpgradeOnAFrozenDisk(t *testing.T) {
	t.Parallel()
	disk := frozen.New(t)
	s := startCommand(t, command(filepath.Join(disk.Path, "state")))
	t.Cleanup(disk.Thaw) // before its end is waited for
	l := startLoad(t, s, rawclient.Hello("client"), 1, 4, 2)
	l.goesOn(t)
	disk.Freeze()
	wantNoUpgrade(t, s)
	disk.Thaw()
	l.goesOn(t)
	if said, err := s.upgrade(bin); err != nil {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	s.restarts(1)
	l.goesOn(t)
	sent := l.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{l: sent})
	unharmed(t, rep, l, sent)
}

// An upgrade that has begun when the disk stops to answer is given up after a while, and the
// supervisor ends. The next one continues the run over the same connection.
func TestADiskThatFreezesInTheMiddleOfAnUpgrade(t *testing.T) {
	t.Parallel()
	programs, err := faulty()
	expect.NoError(t, err)
	disk := frozen.New(t)
	state := filepath.Join(disk.Path, "state")
	cmd := commandFrom(programs, state, "--handler-kill-timeout", "1s")
	cmd.Env = append(os.Environ(), "BULKHEAD_FAILPOINTS=supervisor/before-suspend=stop")
	s := startCommand(t, cmd)
	t.Cleanup(disk.Thaw) // before its end is waited for
	l := startLoad(t, s, rawclient.Hello("client"), 1, 4, 2)
	l.goesOn(t)
	go s.upgrade(programs) // ends with the supervisor, if it is not answered before
	awaitState(t, s.Pid(), "T")
	disk.Freeze()
	expect.NoError(t, s.Signal(syscall.SIGCONT))
	expect.Eventually(t, func() error {
		if !strings.Contains(s.Log(), "the upgrade that has begun is given up") {
			return errors.New("nothing says that the upgrade is given up")
		}
		return nil
	})
	disk.Thaw() // what the kernel still does for the process ends with it
	if code, err := s.Wait(patience); err != nil || code != exitFailure {
		t.Errorf("the supervisor exited with %d, %v; want %d", code, err, exitFailure)
	}
	s = startCommand(t, command(state))
	l.goesOn(t)
	sent := l.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{l: sent})
	unharmed(t, rep, l, sent)
}
