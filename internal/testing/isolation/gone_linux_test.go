package isolation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
)

// leaves is an entry of the environment of what a handler leaves, with the handler's pid.
const leaves = "LEFT_BY="

// A handler that is not locked in and leaves processes, in its group and out of it, and a tree of more
// folders than a process may have descriptors, leaves nothing behind: not when it is killed, and not at
// its supervisor's end, which removes what there was no time for before.
func TestWhatHandlersLeaveBehindIsGone(t *testing.T) {
	t.Parallel()
	path, good := filepath.Join(t.TempDir(), "handler"), filepath.Join(bin, "bulkhead-handler")
	const alone = " </dev/null >/dev/null 2>&1 3>&- 4>&-"
	script(t, path, fmt.Sprintf(`test "$1" = spawner && exec '%s' spawner
`+leaves+`$$ sleep 600%s &
`+leaves+`$$ setsid sh -c 'sleep 600 &'%s
mkdir -p "$PLUGIN_UNIX_SOCKET_DIR/$(printf 'd/%%.0s' $(seq 1100))"
exec '%s'`, good, alone, alone, good))
	s := start(t, "--clients", "1", "--handler-sandbox", "off", "--handler-path", path, "--handler-pool", "1")
	c, hello := s.dial(), rawclient.Hello("alpha")
	greet(t, c, hello)
	s.settled(1, 1)
	folders, err := os.ReadDir(s.sockets)
	expect.NoError(t, err)
	dead := s.handlers()[0]
	left, err := harness.WithEnvironment(fmt.Sprintf("%s%d\x00", leaves, dead))
	expect.NoError(t, err)
	if len(left) != 2 || len(folders) < 2 {
		t.Errorf("handler %d has left processes %v, and there are %d folders; want 2, and as many", dead, left,
			len(folders))
	}
	watches := watch(t, left)
	expect.NoError(t, syscall.Kill(dead, syscall.SIGKILL))
	for _, w := range watches {
		expect.NoError(t, w.AwaitExit(patience))
	}
	c.Close()
	d := s.dial()
	greet(t, d, hello)
	say(t, d)
	s.finish(exitComplete)
	if left, err := harness.WithEnvironment(s.StateDir); err != nil || len(left) > 0 {
		t.Errorf("processes %v are left, %v", left, err)
	}
	if _, err := os.Lstat(s.sockets); !os.IsNotExist(err) {
		t.Errorf("the folder for sockets: %v; want that it is gone", err)
	}
}
