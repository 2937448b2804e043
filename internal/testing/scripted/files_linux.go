package scripted

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/client/spec"
)

// SmallDisk mounts a file system of its own until the test ends.
func SmallDisk(t *testing.T) string {
	t.Helper()
	return Tmpfs(t, "size=16m")
}

// Tmpfs mounts one with these options until the test ends.
func Tmpfs(t *testing.T, options string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may mount a file system")
	}
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, options); err != nil {
		t.Skip("mounting a tmpfs:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
			_ = unix.Unmount(dir, unix.MNT_DETACH) // leave nothing behind
		}
	})
	return dir
}

const Mib = 1 << 20

// RootOf opens a folder until the test ends.
func RootOf(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func Small(path string) spec.Consumer {
	return spec.Consumer{Path: path, ChunkSize: 1 << 12, FileSize: 1 << 14, KeepFiles: 2}
}

// ShortDir is a folder for the test; the path of a socket must be short.
func ShortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Names is what a folder holds.
func Names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func WriteFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
