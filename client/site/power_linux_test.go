package site

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/client/names"
	"bulkhead/internal/testing/scripted"
)

// disk is a file system in a file.
type disk struct {
	t     *testing.T
	image string
}

// run runs a program that may be missing, or not allowed, where the tests run.
func (d disk) run(name string, args ...string) {
	d.t.Helper()
	if said, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Skipf("%s: %v: %s", name, err, said)
	}
}

func (d disk) mount() (folder string) {
	d.t.Helper()
	folder = d.t.TempDir()
	d.run("mount", "-o", "loop", d.image, folder)
	d.t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			d.t.Error(err)
		}
	})
	return folder
}

// TestRecordOutlivesAPowerFailure looks at what is on the disk a moment after a client has
// begun and a consumer's file was forced to it: the next client must know whose the files
// are, or nobody ever removes them.
func TestRecordOutlivesAPowerFailure(t *testing.T) {
	d := disk{t, filepath.Join(t.TempDir(), "image")}
	scripted.WriteFile(t, d.image, "")
	if err := os.Truncate(d.image, 32<<20); err != nil {
		t.Fatal(err)
	}
	d.run("mkfs.ext4", "-q", "-F", d.image)
	path := d.mount()
	f, _ := foldersOf(t, path, nil)
	if err := makeAll(t, f); err != nil {
		t.Fatal(err)
	}
	f.Enter("the-run")
	load, err := os.Create(filepath.Join(f.Consumers[0], "load-00000000.dat"))
	if err != nil {
		t.Fatal(err)
	}
	defer load.Close()
	if err := load.Sync(); err != nil { // and with it the folders around
		t.Fatal(err)
	}
	after := disk{t, d.image + ".after"}
	after.run("cp", d.image, after.image)
	left := after.mount()
	text, err := os.ReadFile(filepath.Join(left, f.name, names.Record))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := readRecord(text); err != nil || r.ClientID != f.record.ClientID || r.Run != "the-run" {
		t.Errorf("the record reads %q: %v", text, err)
	}
	if text, err := os.ReadFile(filepath.Join(left, names.Marker)); err != nil || string(text) != markerText {
		t.Errorf("the marker reads %q: %v", text, err)
	}
	f.Close()
}
