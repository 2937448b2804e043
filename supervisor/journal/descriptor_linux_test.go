package journal

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestNoDescriptorIsLeft opens, fails and closes journals in every way.
func TestNoDescriptorIsLeft(t *testing.T) {
	before := descriptors(t)
	for range 20 {
		dir, f := newJournal(t, Options{SegmentBytes: 60}, wholeRun()...)
		if _, _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
			t.Fatalf("Open = %v, want ErrLocked", err)
		}
		closeJournal(t, f)
		if _, err := Create(dir, Options{}); !errors.Is(err, ErrExists) {
			t.Fatalf("Create = %v, want ErrExists", err)
		}
		appendBytes(t, filepath.Join(dir, segmentName(1)), []byte{1})
		if _, _, err := Open(dir, Options{}); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("Open = %v, want ErrCorrupt", err)
		}
		if _, _, err := replayAll(dir); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("Replay = %v, want ErrCorrupt", err)
		}
		failing := &scriptedDisk{folder: folder(t.TempDir()), onSync: func(segmentFile) error { return syscall.EIO }}
		if _, err := create(string(failing.folder), Options{}, failing); !errors.Is(err, syscall.EIO) {
			t.Fatalf("create = %v, want EIO", err)
		}
		dir, f = newJournal(t, Options{})
		closeJournal(t, f)
		failing.folder = folder(dir)
		if _, _, err := open(dir, Options{}, failing); !errors.Is(err, syscall.EIO) {
			t.Fatalf("open = %v, want EIO", err)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// descriptors returns how many descriptors the process has.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("counting descriptors: %v", err)
	}
	return len(entries)
}
