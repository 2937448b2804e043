package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// zeroing returns the folder with zeros ahead on every file system, and a channel that has
// where they end, each time some were written.
func zeroing(dir string) (*scriptedDisk, <-chan int64) {
	laid := make(chan int64, 1<<10)
	return &scriptedDisk{folder: folder(dir), onZero: func(f segmentFile, from, to int64) error {
		err := f.Zero(from, to)
		laid <- to
		return err
	}}, laid
}

// readSegmentFile returns the content of the first segment.
func readSegmentFile(t *testing.T, dir string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A journal with zeros ahead of its writer is, to every reader, the journal without them: alive,
// killed, opened again, and closed, where they are gone.
func TestZerosAheadAreNoPartOfTheJournal(t *testing.T) {
	plainDir := t.TempDir()
	f, err := create(plainDir, Options{}, &scriptedDisk{folder: folder(plainDir),
		onZero: func(segmentFile, int64, int64) error { return syscall.EFBIG }})
	if err != nil {
		t.Fatal(err)
	}
	appendEach(t, f, wholeRun()[:4]...)
	closeJournal(t, f)
	plain := readSegmentFile(t, plainDir)

	dir := t.TempDir()
	disk, laid := zeroing(dir)
	if f, err = create(dir, Options{}, disk); err != nil {
		t.Fatal(err)
	}
	follower := Follow(dir)
	defer follower.Close()
	appendEach(t, f, wholeRun()[:2]...)
	to := <-laid
	alive := readSegmentFile(t, dir)
	if int64(len(alive)) < to || to < runwayLeast/2 || to > 2*runwayLeast {
		t.Fatalf("zeros up to byte %d of %d", to, len(alive))
	}
	if f.Acknowledged() >= to {
		t.Errorf("%d bytes are acknowledged", f.Acknowledged())
	}
	appendEach(t, f, wholeRun()[2:4]...)
	var followed []*bulkheadv1.Record
	if more, err := follower.Next(1<<20, func(rec *bulkheadv1.Record) error {
		followed = append(followed, rec)
		return nil
	}); err != nil || more {
		t.Errorf("Next = %v, %v", more, err)
	}
	wantRecords(t, followed, wholeRun()[:4])
	killed := image{segments: [][]byte{readSegmentFile(t, dir)}}.write(t) // as kill -9 leaves it
	for _, dir := range []string{dir, killed} {
		got, sum, err := replayAll(dir)
		if err != nil || sum.Torn != nil {
			t.Errorf("Replay = %+v, %v", sum, err)
		}
		wantRecords(t, got, wholeRun()[:4])
		mustCheck(t, dir)
	}
	closeJournal(t, f)
	if got := readSegmentFile(t, dir); !bytes.Equal(got, plain) {
		t.Errorf("closed, the segment has %d bytes, want %d", len(got), len(plain))
	}

	f, found, err := open(killed, Options{}, unsynced(killed))
	if err != nil || found.Torn != nil || found.TornFile != "" || found.Bytes != int64(len(plain)) {
		t.Fatalf("Open = %+v, %v; want %d bytes, nothing torn", found, err, len(plain))
	}
	appendEach(t, f, wholeRun()[4:]...)
	closeJournal(t, f)
	got, _, err := replayAll(killed)
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, wholeRun())
}

// TestEveryPrefixOverZeros ends the writing of a journal at every byte of its only segment, with
// zeros behind, as a crash would.
func TestEveryPrefixOverZeros(t *testing.T) {
	im := newImage(t, Options{Sync: SyncNone}, wholeRun())
	content := im.segments[0]
	for size := headerBytes; size <= len(content); size++ {
		dir := t.TempDir()
		writeSegment(t, dir, 1, append(bytes.Clone(content[:size]), make([]byte, 5000)...))
		records, whole := 0, headerBytes
		for records < len(im.ends) && im.ends[records] <= int64(size) {
			whole = int(im.ends[records])
			records++
		}
		got, sum, err := replayAll(dir)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		wantRecords(t, got, im.run[:records:records])
		some := len(bytes.TrimRight(content[whole:size], "\x00")) > 0
		if torn := sum.Torn; some != (torn != nil) || some && torn.Offset != int64(whole) {
			t.Fatalf("%d bytes, %d of them whole: torn %v", size, whole, torn)
		}
		f, found, err := open(dir, Options{}, unsynced(dir))
		if err != nil || some != (found.TornFile != "") {
			t.Fatalf("%d bytes: Open = %+v, %v", size, found, err)
		}
		appendEach(t, f, im.run[records:]...)
		closeJournal(t, f)
		if got, sum, err = replayAll(dir); err != nil || sum.Torn != nil {
			t.Fatalf("%d bytes, opened: %+v, %v", size, sum, err)
		}
		wantRecords(t, got, im.run)
	}
}

// TestEveryFlippedBitBeforeZeros flips each bit of a journal with zeros behind: the last record is
// damaged and may have been acknowledged, never silently gone and never only cut short.
func TestEveryFlippedBitBeforeZeros(t *testing.T) {
	im := newImage(t, Options{}, wholeRun())
	dir, content := t.TempDir(), append(im.segments[0], make([]byte, 2000)...)
	size := int(im.ends[len(im.ends)-1])
	for bit := headerBytes * 8; bit < size*8; bit++ {
		content[bit/8] ^= 1 << (bit % 8)
		writeSegment(t, dir, 1, content)
		im.checkFlip(t, dir, int64(bit/8), Position{segmentName(1), int64(bit / 8)})
		content[bit/8] ^= 1 << (bit % 8)
	}
}

// TestRecordTornOverZeros ends the writing of a record where a page ends.
func TestRecordTornOverZeros(t *testing.T) {
	last := batch(1, 1, 800)
	im := newImage(t, Options{Sync: SyncNone}, []*bulkheadv1.Record{runStarted(), opened(1), attached(1, 0), last})
	at := im.ends[2]
	cut := (at/sectorBytes + 3) * sectorBytes
	if im.ends[3] < cut+sectorBytes {
		t.Fatalf("the record has %d bytes", im.ends[3]-at)
	}
	dir := t.TempDir()
	writeSegment(t, dir, 1, append(bytes.Clone(im.segments[0][:cut]), make([]byte, 70_000)...))
	_, sum, err := replayAll(dir)
	if err != nil || sum.Torn == nil || sum.Torn.Damaged || !strings.Contains(sum.Torn.Why, "record cut short: zeros") {
		t.Errorf("Replay = %v, %v; want a tail that is only cut short", sum.Torn, err)
	}
	mustCheck(t, dir)
	f, found, err := open(dir, Options{}, unsynced(dir))
	if err != nil {
		t.Fatal(err)
	}
	closeJournal(t, f)
	checkTornFile(t, found, bytes.TrimRight(im.segments[0][at:cut], "\x00"))

	// The same record, whole and with a longer length, was perhaps acknowledged.
	content := append(bytes.Clone(im.segments[0]), make([]byte, 1<<20)...)
	content[at+2] ^= 1
	for pad := range sectorBytes { // also where it ends at the end of a sector
		moved := append(append(encodeHeader(0), framed(bytes.Repeat([]byte{1}, pad+1))...), content[at:]...)
		writeSegment(t, dir, 1, moved)
		f, err := os.Open(filepath.Join(dir, segmentName(1)))
		if err != nil {
			t.Fatal(err)
		}
		s := segment{name: segmentName(1), number: 1, size: int64(len(moved)), last: true}
		e, err := readSegment(dir, s, headerBytes, func([]byte, Position, Mark) error { return nil })
		if err := errors.Join(err, f.Close()); err != nil || e.torn == nil || !e.torn.Damaged {
			t.Fatalf("%d bytes before: torn %v, %v; want a damaged one", pad, e.torn, err)
		}
	}
}

// Nothing that is wrong with zeros is wrong with the journal.
func TestZerosThatCannotBeWritten(t *testing.T) {
	for name, zero := range map[string]func(f segmentFile, from, to int64) error{
		"none": func(segmentFile, int64, int64) error { return syscall.EFBIG },
		"a part of them": func(f segmentFile, from, _ int64) error {
			return errors.Join(f.Zero(from, from+100), syscall.ENOSPC)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			called := make(chan struct{}, 100)
			disk := &scriptedDisk{folder: folder(dir), onZero: func(f segmentFile, from, to int64) error {
				defer func() { called <- struct{}{} }()
				return zero(f, from, to)
			}}
			f, err := create(dir, Options{Full: func(err error) { t.Errorf("Full(%v)", err) }}, disk)
			if err != nil {
				t.Fatal(err)
			}
			run := []*bulkheadv1.Record{runStarted(), opened(1), attached(1, 0)}
			appendEach(t, f, run...)
			<-called
			for seq := uint64(1); seq < 40_000; seq += 500 {
				rec := batch(1, seq, seq+499)
				appendEach(t, f, rec)
				run = append(run, rec)
			}
			closeJournal(t, f)
			if len(called) > 0 {
				t.Errorf("tried again %d times", len(called))
			}
			got, sum, err := replayAll(dir)
			if err != nil || sum.Torn != nil {
				t.Fatalf("Replay = %+v, %v", sum, err)
			}
			wantRecords(t, got, run)
			if size := int64(len(readSegmentFile(t, dir))); size != sum.End.Offset {
				t.Errorf("the segment has %d bytes, its records end at %d", size, sum.End.Offset)
			}
		})
	}
}

// Zeros that cannot be synced are the last, and what is written goes on.
func TestZerosThatCannotBeSynced(t *testing.T) {
	dir := t.TempDir()
	disk, _ := zeroing(dir)
	synced := make(chan struct{}, 100)
	disk.onSyncZeros = func(segmentFile) error {
		synced <- struct{}{}
		return syscall.EIO
	}
	f, err := create(dir, Options{}, disk)
	if err != nil {
		t.Fatal(err)
	}
	run := []*bulkheadv1.Record{runStarted(), opened(1), attached(1, 0)}
	appendEach(t, f, run...)
	<-synced
	for seq := uint64(1); seq < 40_000; seq += 500 {
		rec := batch(1, seq, seq+499)
		appendEach(t, f, rec)
		run = append(run, rec)
	}
	closeJournal(t, f)
	if len(synced) > 0 {
		t.Errorf("tried again %d times", len(synced))
	}
	got, sum, err := replayAll(dir)
	if err != nil || sum.Torn != nil || int64(len(readSegmentFile(t, dir))) != sum.End.Offset {
		t.Fatalf("Replay = %+v, %v", sum, err)
	}
	wantRecords(t, got, run)
}

// Zeros that cannot be cut off make Close say so, and are no harm.
func TestZerosThatCannotBeCutOff(t *testing.T) {
	dir := t.TempDir()
	disk, laid := zeroing(dir)
	f, err := create(dir, Options{}, disk)
	if err != nil {
		t.Fatal(err)
	}
	appendEach(t, f, runStarted(), opened(1))
	<-laid
	disk.onTruncate = func(segmentFile, int64) error { return syscall.EIO }
	if err := f.Close(); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Errorf("Close = %v, want ErrFailed and EIO", err)
	}
	wantAcknowledged(t, dir, false, runStarted(), opened(1))
}

// A failed write over zeros is cut off, and the zeros with it.
func TestFailedWriteOverZeros(t *testing.T) {
	dir := t.TempDir()
	disk, laid := zeroing(dir)
	f, err := create(dir, Options{}, disk)
	if err != nil {
		t.Fatal(err)
	}
	appendEach(t, f, runStarted(), opened(1))
	<-laid
	disk.onWrite = func(f segmentFile, p []byte) (int, error) { return writeHalf(f, p, syscall.EIO) }
	if err := f.Append(t.Context(), batch(1, 1, 1)); !errors.Is(err, syscall.EIO) {
		t.Errorf("Append = %v, want EIO", err)
	}
	if err := f.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close = %v, want EIO", err)
	}
	got, sum, err := replayAll(dir)
	if err != nil || sum.Torn != nil || int64(len(readSegmentFile(t, dir))) != sum.End.Offset {
		t.Fatalf("Replay = %+v, %v", sum, err)
	}
	wantRecords(t, got, []*bulkheadv1.Record{runStarted(), opened(1)})
}

// TestReadersBesideAWriter reads a journal in every way while zeros are laid and overwritten, and
// while segments fill up: what a reader sees is always a clean beginning.
func TestReadersBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	disk := unsynced(dir)
	disk.onZero = func(f segmentFile, from, to int64) error { return f.Zero(from, to) }
	f, err := create(dir, Options{SegmentBytes: 600 << 10}, disk)
	if err != nil {
		t.Fatal(err)
	}
	appendEach(t, f, runStarted(), opened(1), attached(1, 0))
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	read := func(what string, once func() error) {
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := once(); err != nil {
					t.Errorf("%s: %v", what, err)
					return
				}
			}
		})
	}
	read("Replay", func() error {
		_, sum, err := replayAll(dir)
		if err == nil && sum.Torn != nil && sum.Torn.Damaged {
			err = fmt.Errorf("torn: %v", sum.Torn)
		}
		return err
	})
	read("Check", func() error {
		r, err := Check(dir)
		return errors.Join(err, r.Err())
	})
	follower := Follow(dir)
	defer follower.Close()
	var last uint64
	next := func() error {
		_, err := follower.Next(1<<20, func(rec *bulkheadv1.Record) error {
			if b := rec.GetSessionBatch(); b != nil && b.GetFirstSeq() != last+1 {
				return fmt.Errorf("message %d behind %d", b.GetFirstSeq(), last)
			} else if b != nil {
				last = b.GetLastSeq()
			}
			return nil
		})
		return err
	}
	read("Follower", next)
	const most = 200_000
	for seq := uint64(1); seq < most; seq += 20 {
		appendEach(t, f, batch(1, seq, seq+19))
	}
	closeJournal(t, f)
	stop()
	readers.Wait()
	if err := next(); err != nil || last != most {
		t.Errorf("the follower ends behind %d, %v; want %d", last, err, most)
	}
}
