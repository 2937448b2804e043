package journal

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// smallFileSystem mounts a tmpfs until the test ends.
func smallFileSystem(t *testing.T, options string) string {
	t.Helper()
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return mount
}

// TestFullDisk fills a real, tiny file system.
func TestFullDisk(t *testing.T) {
	mount := smallFileSystem(t, "size=128k")
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

// TestReserveOnAFullDisk fills a real, tiny file system with a reserve: nothing that the
// reserve has room for fails, and a journal whose torn end cannot be kept finds room in it.
func TestReserveOnAFullDisk(t *testing.T) {
	mount := smallFileSystem(t, "size=1m")
	for _, o := range []Options{{}, {SegmentBytes: 8 << 10}, {Sync: SyncNone}} {
		filler := filepath.Join(mount, "filler")
		dir := filepath.Join(mount, "journal")
		full := 0
		o.ReserveBytes, o.Full = 1<<20, func(err error) {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("Full(%v); want ENOSPC", err)
			}
			full++
		}
		f, err := Create(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		acked := []*bulkheadv1.Record{runStarted(), opened(1), attached(1, 0)}
		appendEach(t, f, acked...)
		if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		seq := uint64(1)
		more := func() {
			rec := batch(1, seq, seq+99)
			appendEach(t, f, rec)
			acked = append(acked, rec)
			seq += 100
		}
		for range 100 {
			if more(); full > 0 {
				break
			}
		}
		more()
		if full != 1 {
			t.Errorf("Full was called %d times; want once", full)
		}
		closeJournal(t, f)
		got, sum, err := replayAll(dir)
		if err != nil || sum.Torn != nil {
			t.Fatalf("Replay = %+v, %v", sum, err)
		}
		wantRecords(t, got, acked)
		if err := errors.Join(os.Remove(filler), os.RemoveAll(dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReserveOfAJournalThatIsOpenedAgain finds the file system full and a torn end that
// must be kept: the reserve of the writer before has room for it.
func TestReserveOfAJournalThatIsOpenedAgain(t *testing.T) {
	mount := smallFileSystem(t, "size=1m")
	dir := filepath.Join(mount, "journal")
	f, err := Create(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	acked := []*bulkheadv1.Record{runStarted(), opened(1), attached(1, 0)}
	appendEach(t, f, acked...)
	closeJournal(t, f)
	r := newReserve(dir) // as a writer leaves it that was killed
	if err := r.take(64 << 10); err != nil {
		t.Fatal(err)
	}
	segment, err := os.OpenFile(filepath.Join(dir, segmentName(1)), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := segment.Write([]byte{200, 0, 0, 0, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if err := segment.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mount, "filler"), make([]byte, 1<<20), 0o600); !errors.Is(err,
		syscall.ENOSPC) {
		t.Fatal(err)
	}
	full := 0
	f, found, err := Open(dir, Options{ReserveBytes: 64 << 10, Full: func(error) { full++ }})
	if err != nil || found.Torn == nil || full != 1 {
		t.Fatalf("Open = %+v, %v; Full was called %d times", found, err, full)
	}
	appendEach(t, f, detached(1))
	closeJournal(t, f)
	mustCheck(t, dir)
	if _, err := os.Stat(filepath.Join(dir, reserveName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reserve: %v", err)
	}
}

// TestReserveOfAWriterThatWasKilledAsItTookIt finds the file of a reserve that holds nothing.
func TestReserveOfAWriterThatWasKilledAsItTookIt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, reserveName)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newReserve(dir)
	if err := r.take(64 << 10); errors.Is(err, syscall.EOPNOTSUPP) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 64<<10 {
		t.Errorf("the reserve: %v, %v", info, err)
	}
}
