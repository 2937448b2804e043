package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestFailureIsForGood breaks one call of the disk under an Append. No later Append is
// acknowledged, although the disk works again, and what was acknowledged is there.
func TestFailureIsForGood(t *testing.T) {
	tests := []struct {
		name     string
		segments int64 // SegmentBytes
		sync     Sync
		fault    func(d *scriptedDisk)
		want     error
		torn     bool
	}{
		{name: "fsync", want: syscall.EIO, fault: func(d *scriptedDisk) {
			d.onSync = func(segmentFile) error { return syscall.EIO }
		}},
		{name: "write", want: syscall.EIO, fault: func(d *scriptedDisk) {
			d.onWrite = func(segmentFile, []byte) (int, error) { return 0, syscall.EIO }
		}},
		{name: "disk full in mid-record", want: syscall.ENOSPC, fault: func(d *scriptedDisk) {
			d.onWrite = func(f segmentFile, p []byte) (int, error) { return writeHalf(f, p, syscall.ENOSPC) }
		}},
		{name: "short write", want: io.ErrShortWrite, fault: func(d *scriptedDisk) {
			d.onWrite = func(f segmentFile, p []byte) (int, error) { return writeHalf(f, p, nil) }
		}},
		{name: "short write, no sync", sync: SyncNone, want: io.ErrShortWrite, fault: func(d *scriptedDisk) {
			d.onWrite = func(f segmentFile, p []byte) (int, error) { return writeHalf(f, p, nil) }
		}},
		{name: "short write that cannot be cut off", torn: true, want: io.ErrShortWrite, fault: func(d *scriptedDisk) {
			d.onWrite = func(f segmentFile, p []byte) (int, error) { return writeHalf(f, p, nil) }
			d.onTruncate = func(segmentFile, int64) error { return syscall.EIO }
		}},
		{name: "no next segment", segments: 1, want: syscall.EMFILE, fault: func(d *scriptedDisk) {
			d.onCreate = func(string) error { return syscall.EMFILE }
		}},
		{name: "folder fsync at the next segment", segments: 1, want: syscall.EIO, fault: func(d *scriptedDisk) {
			d.onSyncFolder = func() error { return syscall.EIO }
		}},
		{name: "half a header in the next segment", segments: 1, torn: true, want: syscall.ENOSPC,
			fault: func(d *scriptedDisk) {
				d.onWrite = func(f segmentFile, p []byte) (int, error) { return writeHalf(f, p, syscall.ENOSPC) }
			}},
		{name: "fsync of a full segment, no sync", segments: 1, sync: SyncNone, want: syscall.EIO,
			fault: func(d *scriptedDisk) {
				d.onSync = func(segmentFile) error { return syscall.EIO }
			}},
		{name: "close of a full segment", segments: 1, want: syscall.EIO, fault: func(d *scriptedDisk) {
			d.onClose = func(f segmentFile) error { return errors.Join(f.Close(), syscall.EIO) }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			disk := &scriptedDisk{folder: folder(dir)}
			f, err := create(dir, Options{SegmentBytes: tt.segments, Sync: tt.sync}, disk)
			if err != nil {
				t.Fatal(err)
			}
			appendEach(t, f, runStarted(), opened(1))

			tt.fault(disk)
			failure := f.Append(t.Context(), batch(1, 1, 9), batch(1, 10, 10)) // half of it ends in the first
			if !errors.Is(failure, ErrFailed) || !errors.Is(failure, tt.want) {
				t.Fatalf("Append = %v, want ErrFailed and %v", failure, tt.want)
			}
			*disk = scriptedDisk{folder: disk.folder}
			disk.onWrite = func(segmentFile, []byte) (int, error) {
				t.Error("a failed journal was written to")
				return 0, syscall.EIO
			}
			for range 3 {
				if err := f.Append(t.Context(), batch(1, 1, 1)); err == nil || err.Error() != failure.Error() {
					t.Errorf("later Append = %v, want %v", err, failure)
				}
			}
			if err := f.Close(); !errors.Is(err, tt.want) {
				t.Errorf("Close = %v, want %v", err, tt.want)
			}
			wantAcknowledged(t, dir, tt.torn, runStarted(), opened(1))
		})
	}
}

// writeHalf writes half of p.
func writeHalf(f segmentFile, p []byte, err error) (int, error) {
	n, writeErr := f.Write(p[:len(p)/2])
	return n, errors.Join(err, writeErr)
}

// wantAcknowledged checks that a failed journal holds exactly the acknowledged records,
// and that it can be opened and continued.
func wantAcknowledged(t *testing.T, dir string, torn bool, acked ...*bulkheadv1.Record) {
	t.Helper()
	got, sum, err := replayAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, acked)
	if (sum.Torn != nil) != torn {
		t.Errorf("torn tail: %v, want %v", sum.Torn, torn)
	}
	f, _, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	appendEach(t, f, batch(1, 1, 1))
	closeJournal(t, f)
	mustCheck(t, dir)
}

func TestSyncNoneFailsAtCloseWhenTheSyncFails(t *testing.T) {
	dir := t.TempDir()
	disk := &scriptedDisk{folder: folder(dir)}
	f, err := create(dir, Options{Sync: SyncNone}, disk)
	if err != nil {
		t.Fatal(err)
	}
	appendEach(t, f, runStarted())
	disk.onSync = func(segmentFile) error { return syscall.EIO }
	for range 2 {
		if err := f.Close(); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
			t.Errorf("Close = %v, want ErrFailed and EIO", err)
		}
	}
}

func TestCreateThatFailsLeavesNoJournal(t *testing.T) {
	for name, fault := range map[string]func(d *scriptedDisk){
		"create": func(d *scriptedDisk) { d.onCreate = func(string) error { return syscall.EIO } },
		"header": func(d *scriptedDisk) {
			d.onWrite = func(segmentFile, []byte) (int, error) {
				return 0,
					syscall.EIO
			}
		},
		"fsync":       func(d *scriptedDisk) { d.onSync = func(segmentFile) error { return syscall.EIO } },
		"sync folder": func(d *scriptedDisk) { d.onSyncFolder = func() error { return syscall.EIO } },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			disk := &scriptedDisk{folder: folder(dir)}
			fault(disk)
			if _, err := create(dir, Options{}, disk); !errors.Is(err, syscall.EIO) {
				t.Fatalf("create = %v, want EIO", err)
			}
			f, err := Create(dir, Options{})
			if err != nil {
				t.Fatalf("second Create: %v", err)
			}
			closeJournal(t, f)
		})
	}
}

// TestOpenThatFailsLosesNothing breaks Open while it cuts off a torn tail. The tail is
// still there afterwards, in the segment or aside, and the next Open succeeds.
func TestOpenThatFailsLosesNothing(t *testing.T) {
	tail := []byte("half a record")
	for name, fault := range map[string]func(d *scriptedDisk){
		"truncate":    func(d *scriptedDisk) { d.onTruncate = func(segmentFile, int64) error { return syscall.EIO } },
		"fsync":       func(d *scriptedDisk) { d.onSync = func(segmentFile) error { return syscall.EIO } },
		"sync folder": func(d *scriptedDisk) { d.onSyncFolder = func() error { return syscall.EIO } },
	} {
		t.Run(name, func(t *testing.T) {
			dir, f := newJournal(t, Options{}, runStarted(), opened(1))
			closeJournal(t, f)
			appendBytes(t, filepath.Join(dir, segmentName(1)), tail)

			disk := &scriptedDisk{folder: folder(dir)}
			fault(disk)
			if _, _, err := open(dir, Options{}, disk); !errors.Is(err, syscall.EIO) {
				t.Fatalf("open = %v, want EIO", err)
			}
			f, _, err := Open(dir, Options{})
			if err != nil {
				t.Fatalf("second Open: %v", err)
			}
			appendEach(t, f, batch(1, 1, 1))
			closeJournal(t, f)
			mustCheck(t, dir)
			kept, err := filepath.Glob(dir + "/*.torn")
			if err != nil || len(kept) == 0 {
				t.Fatalf("no torn file: %v", err)
			}
			for _, name := range kept {
				if content, err := os.ReadFile(name); err != nil || string(content) != string(tail) {
					t.Errorf("%s holds %q, %v; want %q", name, content, err, tail)
				}
			}
		})
	}
}

// TestTornTailsAreKeptApart tears a journal twice at the same place.
func TestTornTailsAreKeptApart(t *testing.T) {
	dir, f := newJournal(t, Options{}, runStarted())
	closeJournal(t, f)
	kept := map[string]string{}
	for _, tail := range []string{"the first", "the second", "the third"} {
		appendBytes(t, filepath.Join(dir, segmentName(1)), []byte(tail))
		f, found, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		closeJournal(t, f)
		kept[found.TornFile] = tail
	}
	if len(kept) != 3 {
		t.Errorf("torn files %v, want three", kept)
	}
	for name, tail := range kept {
		if content, err := os.ReadFile(name); err != nil || string(content) != tail {
			t.Errorf("%s holds %q, %v; want %q", name, content, err, tail)
		}
	}
}

// appendBytes adds bytes at the end of a file.
func appendBytes(t *testing.T, name string, p []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(p)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
