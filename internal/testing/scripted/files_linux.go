package scripted

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
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

// Small returns a consumer of small files, two of which stay.
func Small(path string) workload.Consumer {
	return Load(path, 1<<12, 1<<14, 2)
}

// Load returns a consumer that writes files of one size in chunks of one size, random data one
// after the other, and neither syncs nor verifies them. So many files stay.
func Load(path string, chunk, file uint64, keep uint32) workload.Consumer {
	return workload.Consumer{
		Path: path, ChunkSize: chunk, FileSize: file, KeepFiles: keep, Concurrency: 1,
		Sync:    bulkheadv1.SyncPolicy_SYNC_POLICY_NONE,
		Data:    bulkheadv1.DataKind_DATA_KIND_RANDOM,
		Pattern: bulkheadv1.Pattern_PATTERN_SEQUENTIAL,
		Verify:  bulkheadv1.VerifyMode_VERIFY_MODE_OFF,
	}
}

// ShortDir returns a folder for the test; the path of a socket must be short.
func ShortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Names returns what a folder holds.
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
