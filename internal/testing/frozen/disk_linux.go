// Package frozen has a disk that stops to answer when a test says so.
package frozen

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// FIFREEZE and FITHAW of linux/fs.h: every change waits in the kernel, and no signal
// ends the wait, until the file system is thawed. Reads go on.
const (
	freezeRequest = 0xc0045877
	thawRequest   = 0xc0045878
)

const (
	diskBytes = 32 << 20
	// patience is how long the last process may take to let go of a disk.
	patience = time.Minute
)

// Disk is a file system of its own.
type Disk struct {
	Path string
	t    testing.TB
	root *os.File
}

// New mounts a disk until the test ends. It skips the test where that is not possible.
func New(t testing.TB) *Disk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may mount a file system")
	}
	folder, err := os.MkdirTemp("", "frozen-") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Errorf("removing a disk: %v", err)
		}
	})
	d := &Disk{Path: filepath.Join(folder, "disk"), t: t}
	image := filepath.Join(folder, "image")
	if err := os.Mkdir(d.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, diskBytes); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, d.Path}} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v: %s", command[0], err, out)
		}
	}
	t.Cleanup(d.unmount)
	if d.root, err = os.Open(d.Path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Thaw() // it may be so already
		d.root.Close()
	})
	return d
}

// unmount waits until nobody uses the disk.
func (d *Disk) unmount() {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = unix.Unmount(d.Path, 0); err == nil {
			return
		}
	}
	d.t.Errorf("unmounting %s: %v", d.Path, err)
}

// Freeze lets every change of the disk wait, until Thaw or the end of the test. It skips the test
// where a disk cannot be frozen.
func (d *Disk) Freeze() {
	d.t.Helper()
	if err := unix.IoctlSetInt(int(d.root.Fd()), freezeRequest, 0); err != nil {
		d.t.Skip("freezing a file system:", err)
	}
}

// Thaw ends a Freeze, if there is one.
func (d *Disk) Thaw() { _ = unix.IoctlSetInt(int(d.root.Fd()), thawRequest, 0) }
