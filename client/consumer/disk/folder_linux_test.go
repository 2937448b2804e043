package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSymbolicLinksAreNotFollowed puts links where the consumer works.
func TestSymbolicLinksAreNotFollowed(t *testing.T) {
	folder, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := os.Symlink(outside, filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(outside, filepath.Join(folder, "hard")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(folder, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "hard", "fifo"} {
		if _, err := d.Create(name, Mode{}); !errors.Is(err, os.ErrExist) {
			t.Errorf("create %s: %v", name, err)
		}
		if _, err := d.Reopen(name, Mode{}); err == nil {
			t.Errorf("%s was opened", name)
		}
		if err := d.Remove(name); err != nil {
			t.Errorf("remove %s: %v", name, err)
		}
	}
	if content, err := os.ReadFile(outside); err != nil || string(content) != "not ours" {
		t.Errorf("outside: %q, %v", content, err)
	}
	if err := os.Symlink(folder, folder+"-link"); err != nil {
		t.Fatal(err)
	}
	if d, err := Open(folder + "-link"); err == nil {
		d.Close()
		t.Error("a folder that is a symbolic link was opened")
	}
}

// TestFolderOnAnotherFileSystem puts a file system in place of the folder.
func TestFolderOnAnotherFileSystem(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("bulkhead-test", folder, "tmpfs", 0, ""); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(folder, unix.MNT_DETACH) })
	if _, err := d.Create("f", Mode{}); err == nil || !strings.Contains(err.Error(), "another file system") {
		t.Errorf("create: %v", err)
	}
	if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	f, err := d.Create("f", Mode{})
	if err != nil {
		t.Fatalf("in the folder made anew: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestClosedDiskTouchesNothing removes by a folder that is closed.
func TestClosedDiskTouchesNothing(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove("f"); err == nil {
		t.Error("removed by a closed folder")
	}
	if _, err := os.Lstat(filepath.Join(folder, "f")); err != nil {
		t.Error(err)
	}
}

// TestSiteIsAboveTheOpenFolder wherever its path leads by now: whoever can put a link there leads nobody
// out of what was allowed.
func TestSiteIsAboveTheOpenFolder(t *testing.T) {
	top := t.TempDir()
	site, outside := filepath.Join(top, "site"), filepath.Join(top, "outside")
	for _, at := range []string{site, outside} {
		if err := os.MkdirAll(filepath.Join(at, "client", "consumer-0"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Open(filepath.Join(site, "client", "consumer-0"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	was, err := os.Stat(site)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(site, site+"-moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, site); err != nil {
		t.Fatal(err)
	}
	f, user, err := d.Site()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if is, err := f.Stat(); err != nil || !os.SameFile(was, is) || user != uint32(os.Getuid()) {
		t.Errorf("another folder was opened, or it is user %d's: %v", user, err)
	}
}

// TestNote writes to its own file alone, and makes it.
func TestNote(t *testing.T) {
	folder, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, text := range []string{"abcdef", "xyz"} {
		if err := d.Note("list", int64(len(text)-3), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(folder, "list")); err != nil || string(got) != "xyzabcdef" {
		t.Errorf("the list is %q, %v", got, err)
	}
	if err := os.Symlink(outside, filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(outside, filepath.Join(folder, "hard")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "hard"} {
		if err := d.Note(name, 0, []byte("ours")); err == nil {
			t.Errorf("written to %s", name)
		}
	}
	if got, err := os.ReadFile(outside); err != nil || string(got) != "not ours" {
		t.Errorf("outside: %q, %v", got, err)
	}
}
