package journal

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// gate holds the first fsync after it is set, and counts all of them.
type gate struct {
	syncs int
	open  chan struct{}
}

// holdFsync makes the next fsync of d wait until the gate is opened.
func holdFsync(d *scriptedDisk) *gate {
	g := &gate{open: make(chan struct{})}
	d.onSync = func(f segmentFile) error {
		if g.syncs++; g.syncs == 1 {
			<-g.open
		}
		return f.Sync()
	}
	return g
}

// newScripted creates a journal on a scriptedDisk, in the current bubble.
func newScripted(t *testing.T, recs ...*bulkheadv1.Record) (string, *scriptedDisk, *File) {
	t.Helper()
	dir := t.TempDir()
	disk := &scriptedDisk{folder: folder(dir)}
	f, err := create(dir, Options{}, disk)
	if err != nil {
		t.Fatal(err)
	}
	appendEach(t, f, recs...)
	return dir, disk, f
}

// TestOneFsyncServesAllWhoWait lets callers gather behind an fsync that is under way.
// Nobody is answered before an fsync that covers him, and one more serves them all.
func TestOneFsyncServesAllWhoWait(t *testing.T) {
	const callers = 50
	synctest.Test(t, func(t *testing.T) {
		dir, disk, f := newScripted(t, runStarted())
		gate := holdFsync(disk)
		var answered atomic.Int32
		var wg sync.WaitGroup
		appender := func(session uint32) {
			if err := f.Append(t.Context(), opened(session)); err != nil {
				t.Error(err)
			}
			answered.Add(1)
		}
		wg.Go(func() { appender(1) })
		synctest.Wait() // the writer is in the fsync
		for n := range uint32(callers) {
			wg.Go(func() { appender(2 + n) })
		}
		synctest.Wait() // every caller waits for the writer
		if n := answered.Load(); n != 0 {
			t.Errorf("%d callers answered before the fsync was done", n)
		}
		close(gate.open)
		wg.Wait()
		if gate.syncs != 2 {
			t.Errorf("%d fsyncs for 1 and then %d waiting callers, want 2", gate.syncs, callers)
		}
		closeJournal(t, f)
		if r := mustCheck(t, dir); r.Summary.Records != callers+2 {
			t.Errorf("%d records, want %d", r.Summary.Records, callers+2)
		}
	})
}

func TestFailedFsyncFailsTheWholeGroup(t *testing.T) {
	const callers = 20
	synctest.Test(t, func(t *testing.T) {
		dir, disk, f := newScripted(t, runStarted())
		gate := holdFsync(disk)
		held := disk.onSync
		disk.onSync = func(file segmentFile) error {
			if err := held(file); err != nil || gate.syncs == 1 {
				return err
			}
			return syscall.EIO
		}
		var acked, failed atomic.Int32
		var wg sync.WaitGroup
		appender := func(session uint32) {
			err := f.Append(t.Context(), opened(session))
			switch {
			case err == nil:
				acked.Add(1)
			case errors.Is(err, ErrFailed) && errors.Is(err, syscall.EIO):
				failed.Add(1)
			default:
				t.Error(err)
			}
		}
		wg.Go(func() { appender(1) })
		synctest.Wait()
		for n := range uint32(callers) {
			wg.Go(func() { appender(2 + n) })
		}
		synctest.Wait()
		close(gate.open)
		wg.Wait()
		if acked.Load() != 1 || failed.Load() != callers || gate.syncs != 2 {
			t.Errorf("%d acknowledged, %d failed, %d fsyncs; want 1, %d, 2", acked.Load(), failed.Load(), gate.syncs,
				callers)
		}
		if err := f.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("Close = %v, want EIO", err)
		}
		got, _, err := replayAll(dir)
		if err != nil {
			t.Fatal(err)
		}
		wantRecords(t, got, []*bulkheadv1.Record{runStarted(), opened(1)})
	})
}

// TestEndedContextDoesNotUnwrite ends the context of one Append that the writer is about
// to write, which is written all the same, and of one that the writer has not taken,
// which is not. The Appends after them must not touch what the writer still holds.
func TestEndedContextDoesNotUnwrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, disk, f := newScripted(t, runStarted())
		open := make(chan struct{})
		disk.onWrite = func(f segmentFile, p []byte) (int, error) {
			<-open
			return f.Write(p)
		}
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		go func() { errs <- f.Append(ctx, opened(1)) }()
		synctest.Wait() // the writer has it
		go func() { errs <- f.Append(ctx, opened(2)) }()
		synctest.Wait() // waits for the writer
		cancel()
		for range 2 {
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Errorf("Append = %v, want context.Canceled", err)
			}
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { appendEach(t, f, opened(3)) })
		}
		synctest.Wait()
		close(open)
		wg.Wait()
		closeJournal(t, f)
		got, _, err := replayAll(dir)
		if err != nil {
			t.Fatal(err)
		}
		want := []*bulkheadv1.Record{runStarted(), opened(1)}
		for range 10 {
			want = append(want, opened(3))
		}
		wantRecords(t, got, want)
	})
}

// TestCloseFinishesWhatTheWriterHas closes while one Append is in its fsync and another
// waits for the writer.
func TestCloseFinishesWhatTheWriterHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, disk, f := newScripted(t, runStarted())
		gate := holdFsync(disk)
		taken, waiting, closed := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		go func() { taken <- f.Append(t.Context(), opened(1)) }()
		synctest.Wait()
		go func() { waiting <- f.Append(t.Context(), opened(2)) }()
		synctest.Wait()
		go func() { closed <- f.Close() }()
		if err := <-waiting; !errors.Is(err, ErrClosed) {
			t.Errorf("waiting Append = %v, want ErrClosed", err)
		}
		close(gate.open)
		if err := errors.Join(<-taken, <-closed); err != nil {
			t.Error(err)
		}
		got, _, err := replayAll(dir)
		if err != nil {
			t.Fatal(err)
		}
		wantRecords(t, got, []*bulkheadv1.Record{runStarted(), opened(1)})
	})
}

// TestCallersKeepTheirOrder has callers of several records each roll over many segments.
func TestCallersKeepTheirOrder(t *testing.T) {
	const callers, rounds = 8, 60
	const limit = 2000
	dir, f := newJournal(t, Options{SegmentBytes: limit}, runStarted())
	var wg sync.WaitGroup
	for n := range uint32(callers) {
		wg.Go(func() {
			session := n + 1
			err := f.Append(t.Context(), opened(session), attached(session, 0))
			for seq := uint64(1); seq < rounds*2 && err == nil; seq += 2 {
				err = f.Append(t.Context(), batch(session, seq, seq), batch(session, seq+1, seq+1))
			}
			if err = errors.Join(err, f.Append(t.Context(), ended(session, rounds*2))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	appendEach(t, f, runEnded(bulkheadv1.RunEnd_RUN_END_DONE))
	closeJournal(t, f)
	if r := mustCheck(t, dir); r.Summary.Records != callers*(3+2*rounds)+2 || r.Summary.Segments < 5 {
		t.Errorf("Summary = %+v, want %d records in several segments", r.Summary, callers*(3+2*rounds)+2)
	}
	pair := 2*(frameBytes+beginBytes) + proto.Size(opened(callers)) + proto.Size(attached(callers, 1))
	wantSegmentSizes(t, dir, limit, pair)
}
