package journal

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// wantRecords fails the test unless got are exactly want.
func wantRecords(t testing.TB, got, want []*bulkheadv1.Record) {
	t.Helper()
	if !slices.EqualFunc(want, got, func(a, b *bulkheadv1.Record) bool { return proto.Equal(a, b) }) {
		t.Fatalf("records (-want +got):\n%s", cmp.Diff(want, got, protocmp.Transform()))
	}
}

func TestRoundTrip(t *testing.T) {
	for name, o := range map[string]Options{
		"one segment":            {},
		"no sync":                {Sync: SyncNone},
		"many segments":          {SegmentBytes: 80},
		"a segment for each":     {SegmentBytes: 1},
		"many segments, no sync": {SegmentBytes: 80, Sync: SyncNone},
		"large segments":         {SegmentBytes: 64 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			run := wholeRun()
			dir, f := newJournal(t, o, run[0])
			if err := f.Append(t.Context(), run[1:6]...); err != nil {
				t.Fatal(err)
			}
			closeJournal(t, f)

			f, found, err := Open(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			if found.Torn != nil || found.TornFile != "" {
				t.Errorf("Open found a torn tail: %+v", found)
			}
			appendEach(t, f, run[6:]...)
			closeJournal(t, f)

			got, sum, err := replayAll(dir)
			if err != nil {
				t.Fatal(err)
			}
			wantRecords(t, got, run)
			r := mustCheck(t, dir)
			if diff := cmp.Diff(sum, r.Summary); diff != "" {
				t.Errorf("Check's summary is not Replay's:\n%s", diff)
			}
		})
	}
}

func TestSummaryAndRecoveryCountTheJournal(t *testing.T) {
	dir, f := newJournal(t, Options{SegmentBytes: 80}, wholeRun()...)
	closeJournal(t, f)
	names, err := filepath.Glob(dir + "/*.seg")
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if len(names) < 4 {
		t.Fatalf("%d segments, want several", len(names))
	}
	_, sum, err := replayAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{Segments: len(names), Records: uint64(len(wholeRun())), Bytes: size - int64(len(names)*headerBytes)}
	want.End = sum.End
	if sum != want || sum.End.Segment != len(names) || sum.End.Bytes != size {
		t.Errorf("Summary = %+v, want %+v", sum, want)
	}
	f, found, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	closeJournal(t, f)
	if want := (Recovery{Segments: len(names), Bytes: size}); found != want {
		t.Errorf("Recovery = %+v, want %+v", found, want)
	}
}

func TestSegmentsEndAtTheirSize(t *testing.T) {
	const limit = 4096
	dir, f := newJournal(t, Options{SegmentBytes: limit}, runStarted(), opened(1))
	rec := batch(1, 1, 100)
	for range 100 {
		appendEach(t, f, rec)
	}
	closeJournal(t, f)
	wantSegmentSizes(t, dir, limit, frameBytes+proto.Size(rec))
}

// wantSegmentSizes checks that every segment but the last is full from limit bytes on,
// and that none overruns that by more than one Append of up to largest bytes.
func wantSegmentSizes(t *testing.T, dir string, limit, largest int) {
	t.Helper()
	segments, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range segments {
		if s.size < int64(limit) && !s.last || s.size >= int64(limit+largest) {
			t.Errorf("%s of %d has %d bytes, want %d and less than %d more", s.name, len(segments), s.size, limit,
				largest)
		}
	}
}

func TestNoSegmentWithoutRecords(t *testing.T) {
	dir, f := newJournal(t, Options{SegmentBytes: 1}, wholeRun()...)
	closeJournal(t, f)
	if r := mustCheck(t, dir); r.Summary.Segments != len(wholeRun()) {
		t.Errorf("%d segments for %d records, want one for each", r.Summary.Segments, len(wholeRun()))
	}
}

func TestLargestRecordIsKept(t *testing.T) {
	rec := batchOf(1, 1, 1, bytes.Repeat([]byte{0xa5}, MaxRecordBytes-100))
	b := rec.GetSessionBatch()
	b.Batch = append(b.Batch, make([]byte, MaxRecordBytes-proto.Size(rec))...)
	if size := proto.Size(rec); size != MaxRecordBytes {
		t.Fatalf("the record has %d bytes", size)
	}
	dir, f := newJournal(t, Options{}, rec, runStarted())
	closeJournal(t, f)
	got, _, err := replayAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, []*bulkheadv1.Record{rec, runStarted()})
}

func TestRefusedRecordsHarmNothing(t *testing.T) {
	dir, f := newJournal(t, Options{}, runStarted())
	for name, bad := range map[string]*bulkheadv1.Record{
		"nil":           nil,
		"empty":         {},
		"too large":     batchOf(1, 1, 1, make([]byte, MaxRecordBytes)),
		"invalid UTF-8": {Entry: &bulkheadv1.Record_RunEnded{RunEnded: &bulkheadv1.RunEnded{Detail: "\xff"}}},
	} {
		err := f.Append(t.Context(), opened(7), bad)
		if err == nil || errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "record 2 of 2") {
			t.Errorf("%s: Append = %v, want a refusal of record 2 of 2", name, err)
		}
	}
	if err := f.Append(t.Context()); err != nil {
		t.Errorf("Append of nothing: %v", err)
	}
	appendEach(t, f, opened(1))
	closeJournal(t, f)
	got, _, err := replayAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, []*bulkheadv1.Record{runStarted(), opened(1)})
}

func TestOneWriter(t *testing.T) {
	dir, f := newJournal(t, Options{}, runStarted())
	if _, _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("Open beside a writer = %v, want ErrLocked", err)
	}
	if _, err := Create(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("Create beside a writer = %v, want ErrLocked", err)
	}
	closeJournal(t, f)
	if _, err := Create(dir, Options{}); !errors.Is(err, ErrExists) {
		t.Errorf("Create over a journal = %v, want ErrExists", err)
	}
	f, _, err := Open(dir, Options{})
	if err != nil {
		t.Fatalf("Open after Close: %v", err)
	}
	closeJournal(t, f)
}

func TestNoJournal(t *testing.T) {
	empty := t.TempDir()
	for _, dir := range []string{empty, filepath.Join(empty, "absent")} {
		_, _, openErr := Open(dir, Options{})
		_, _, replayErr := replayAll(dir)
		_, checkErr := Check(dir)
		for call, err := range map[string]error{"Open": openErr, "Replay": replayErr, "Check": checkErr} {
			if !errors.Is(err, ErrNoJournal) {
				t.Errorf("%s of %s = %v, want ErrNoJournal", call, dir, err)
			}
		}
	}
	if left, _ := os.ReadDir(empty); len(left) != 0 {
		t.Errorf("a folder without a journal now holds %v", left)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{Sync: 7}, {SegmentBytes: -1}} {
		dir := t.TempDir()
		if _, err := Create(dir, o); err == nil {
			t.Errorf("Create with %+v succeeded", o)
		}
		if _, _, err := Open(dir, o); err == nil || errors.Is(err, ErrNoJournal) {
			t.Errorf("Open with %+v = %v", o, err)
		}
	}
}

func TestAppendAfterClose(t *testing.T) {
	_, f := newJournal(t, Options{}, runStarted())
	closeJournal(t, f)
	closeJournal(t, f)
	if err := f.Append(t.Context(), opened(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close = %v, want ErrClosed", err)
	}
}

func TestAppendWithEndedContext(t *testing.T) {
	dir, f := newJournal(t, Options{}, runStarted())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Append(ctx, opened(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Append = %v, want context.Canceled", err)
	}
	closeJournal(t, f)
	got, _, err := replayAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, []*bulkheadv1.Record{runStarted()})
}

func TestReplayStopsAtTheCallersError(t *testing.T) {
	dir, f := newJournal(t, Options{SegmentBytes: 100}, wholeRun()...)
	closeJournal(t, f)
	enough := errors.New("enough")
	calls := 0
	sum, err := Replay(dir, func(*bulkheadv1.Record) error {
		if calls++; calls == 5 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || calls != 5 || sum.Records != 4 {
		t.Errorf("Replay = %+v, %v after %d calls; want 4 records and the caller's error after 5", sum, err, calls)
	}
}

func TestReplayOfALiveJournalSeesAPrefix(t *testing.T) {
	run := wholeRun()
	dir, f := newJournal(t, Options{SegmentBytes: 100})
	for i, rec := range run {
		appendEach(t, f, rec)
		got, _, err := replayAll(dir)
		if err != nil {
			t.Fatal(err)
		}
		wantRecords(t, got, slices.Clone(run[:i+1]))
	}
}
