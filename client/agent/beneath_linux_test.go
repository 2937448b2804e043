package agent

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Without openat2(2), which the filters of a service manager take away, a path leads as far as with it.
func TestAPathIsWalkedAsTheKernelResolvesIt(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"a/b/c", "elsewhere"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"a/out": "/", "a/near": "b", "a/b/up": "..", "a/gone": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "a/file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	where := func(fd int, err error) (inode uint64, _ error) {
		if err != nil {
			return 0, err
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		return st.Ino, err
	}
	for path, want := range map[string]error{
		".": nil, "a": nil, "a/b/c": nil, "a/b/none": unix.ENOENT, "a/none/c": unix.ENOENT, "a/file": unix.ENOTDIR,
		"a/file/c": unix.ENOTDIR, "a/out": unix.ELOOP, "a/out/etc": unix.ELOOP, "a/near": unix.ELOOP,
		"a/near/c": unix.ELOOP, "a/b/up": unix.ELOOP, "a/gone": unix.ELOOP,
	} {
		got, err := where(walkBeneath(dir, path))
		if !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", path, err, want)
		}
		kernel, err2 := where(unix.Openat2(dir, path, &unix.OpenHow{
			Flags:   unix.O_PATH | unix.O_CLOEXEC | unix.O_DIRECTORY,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}))
		if got != kernel || !errors.Is(err, err2) && !errors.Is(err2, err) {
			t.Errorf("%s: inode %d, %v; the kernel has %d, %v", path, got, err, kernel, err2)
		}
	}
}
