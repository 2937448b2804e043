package child_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/internal/child"
)

// leaveFolders fills a folder with more levels than a process has descriptors for, usually.
func leaveFolders(dir string) error {
	name := strings.Repeat("n", unix.NAME_MAX)
	at, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	for range 2_000 {
		if err != nil {
			return err
		}
		err = errors.Join(unix.Mkdirat(at, name, 0o700), unix.Symlinkat("/", at, "link"), unix.Mkfifoat(at, "fifo", 0))
		if err != nil {
			return err
		}
		above := at
		at, err = unix.Openat(above, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		unix.Close(above)
	}
	return errors.Join(err, unix.Close(at))
}

// What a child leaves in its folder goes with it, also where this process has few descriptors.
func TestAChildsFolderGoesWithIt(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "child-test-") // a disk takes a while
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	c, err := child.Start(t.Context(), config("leaving folders", dir, nil))
	if err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", strings.Repeat("n", unix.NAME_MAX)))
	if err != nil || len(left) != 1 {
		t.Errorf("the child has left %v, %v", left, err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 200, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	c.Kill()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	gone(t, c.Pid(), dir)
}
