// Package powercut gives tests a disk whose power can be cut: a small ext4 in a file, which the kernel
// shuts down without writing its journal, and mounts again. What nobody has synced is gone then. It takes
// root; tests are skipped without.
package powercut

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	size = 16 << 20
	// shutdown is EXT4_IOC_SHUTDOWN, and noFlush its EXT4_GOING_FLAGS_NOLOGFLUSH.
	shutdown = 0x8004587d
	noFlush  = 2
)

// Disk is a disk; Path is where it is mounted.
type Disk struct {
	Path  string
	image string
	t     *testing.T
}

// New mounts a disk until the test ends. Its file system commits by itself once an hour.
func New(t *testing.T) *Disk {
	t.Helper()
	d := &Disk{Path: t.TempDir(), image: filepath.Join(t.TempDir(), "image"), t: t}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, size); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", d.image).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4: %v: %s", err, out)
	}
	if out, err := d.mount(); err != nil {
		t.Skipf("mounting: %v: %s", err, out)
	}
	t.Cleanup(func() { d.unmount() })
	return d
}

func (d *Disk) mount() ([]byte, error) {
	return exec.Command("mount", "-o", "loop,commit=3600", d.image, d.Path).CombinedOutput()
}

func (d *Disk) unmount() {
	d.t.Helper()
	if out, err := exec.Command("umount", d.Path).CombinedOutput(); err != nil {
		d.t.Errorf("unmounting: %v: %s", err, out)
	}
}

// Cut cuts the power, and lets the machine start again. Nobody may have a file of the disk open.
func (d *Disk) Cut() {
	d.t.Helper()
	root, err := os.Open(d.Path)
	if err != nil {
		d.t.Fatal(err)
	}
	err = unix.IoctlSetPointerInt(int(root.Fd()), shutdown, noFlush)
	root.Close()
	if err != nil {
		d.t.Skipf("EXT4_IOC_SHUTDOWN: %v", err)
	}
	d.unmount()
	if out, err := d.mount(); err != nil {
		d.t.Fatalf("mounting again: %v: %s", err, out)
	}
}
