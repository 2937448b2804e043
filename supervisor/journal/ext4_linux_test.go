package journal

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// smallExt4 mounts an ext4 of some bytes until the test ends.
func smallExt4(t *testing.T, size int64) string {
	t.Helper()
	image, mount := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, mount}} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%v: %v: %s", command, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", mount).CombinedOutput(); err != nil {
			t.Errorf("unmounting: %v: %s", err, out)
		}
	})
	return mount
}

// TestZerosAheadOnAFullDisk fills a real, small file system while zeros are written ahead: they give
// way, the reserve is given back for records, and nothing that was acknowledged is lost.
func TestZerosAheadOnAFullDisk(t *testing.T) {
	mount := smallExt4(t, 4<<20)
	dir := filepath.Join(mount, "journal")
	full := 0
	f, err := Create(dir, Options{ReserveBytes: 64 << 10, Full: func(err error) {
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Full(%v); want ENOSPC", err)
		}
		full++
	}})
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
	if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) || full != 1 {
		t.Errorf("Append = %v, and Full was called %d times", err, full)
	}
	if err := f.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close = %v", err)
	}
	got, sum, err := replayAll(dir)
	if err != nil || sum.Torn != nil || int64(len(readSegmentFile(t, dir))) != sum.End.Offset {
		t.Fatalf("Replay = %+v, %v", sum, err)
	}
	wantRecords(t, got, acked)
	mustCheck(t, dir)
}
