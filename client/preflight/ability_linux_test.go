package preflight

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
)

// TestFileSystemThatCannotDoWhatIsAsked uses a file system without O_DIRECT and without allocation.
// Both are refused before the load, with what to change.
func TestFileSystemThatCannotDoWhatIsAsked(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may mount a file system")
	}
	disk := t.TempDir()
	if err := unix.Mount("none", disk, "ramfs", 0, ""); err != nil {
		t.Skip("mounting a ramfs:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Errorf("unmounting %s: %v", disk, err)
			_ = unix.Unmount(disk, unix.MNT_DETACH) // leave nothing behind
		}
	})
	direct, allocated := scripted.Small(disk), scripted.Small(disk)
	direct.Direct, allocated.Preallocate = true, true
	dirs, err := preflightOf(t, time.Hour, direct, allocated)
	if !errors.Is(err, spec.ErrConfig) {
		t.Fatalf("preflight: %v; want ErrConfig", err)
	}
	for _, want := range []string{
		"consumer 0: path: the file system does not take O_DIRECT; use direct: false, or another path",
		"consumer 1: path: the file system does not allocate space beforehand; use preallocate: false, or another path",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	dirs.Close()
	if err := site.RemoveFolders(dirs.Paths(), nil); err != nil {
		t.Error(err)
	}
	dirs.Leave()
	if left := scripted.Names(t, disk); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
