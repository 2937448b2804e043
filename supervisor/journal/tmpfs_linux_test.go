package journal

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestFullDisk fills a real, tiny file system.
func TestFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	filler := filepath.Join(mount, "filler")
	if err := os.WriteFile(filler, make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(mount, "journal")
	f, err := Create(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	acked := []*bulkheadv1.Record{runStarted(), opened(1), attached(1, 0)}
	appendEach(t, f, acked...)
	for seq := uint64(1); ; seq += 500 {
		rec := batch(1, seq, seq+499)
		if err = f.Append(t.Context(), rec); err != nil {
			break
		}
		acked = append(acked, rec)
	}
	if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Append on a full disk = %v, want ErrFailed and ENOSPC", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := f.Append(t.Context(), detached(1)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Append after making room = %v, want the first error", err)
	}
	if err := f.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close = %v, want the first error", err)
	}
	got, sum, err := replayAll(dir)
	if err != nil || sum.Torn != nil {
		t.Fatalf("Replay = %+v, %v", sum, err)
	}
	wantRecords(t, got, acked)

	f, _, err = Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	appendEach(t, f, detached(1))
	closeJournal(t, f)
	mustCheck(t, dir)
}
