package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// followAll returns what a Follower has now.
func followAll(t *testing.T, f *Follower, most int64) []*bulkheadv1.Record {
	t.Helper()
	var got []*bulkheadv1.Record
	for {
		more, err := f.Next(most, func(r *bulkheadv1.Record) error { got = append(got, r); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return got
		}
	}
}

func follow(t *testing.T, dir string) *Follower {
	t.Helper()
	f := Follow(dir)
	t.Cleanup(func() { f.Close() })
	return f
}

// While a journal is written over many segments, a Follower has every record once, in
// order, whatever the pieces it reads.
func TestFollowALiveJournal(t *testing.T) {
	for _, most := range []int64{1, 100, 1 << 20} {
		folder := filepath.Join(t.TempDir(), "journal")
		f := follow(t, folder)
		if got := followAll(t, f, most); len(got) != 0 {
			t.Fatalf("%d records before there is a journal", len(got))
		}
		w, err := Create(folder, Options{Sync: SyncNone, SegmentBytes: 300})
		if err != nil {
			t.Fatal(err)
		}
		want := []*bulkheadv1.Record{runStarted(), opened(1), attached(1, 0)}
		for i := range uint64(100) {
			want = append(want, batch(1, i+1, i+1))
		}
		var got []*bulkheadv1.Record
		for i, rec := range want {
			appendEach(t, w, rec)
			if i%7 == 0 {
				got = append(got, followAll(t, f, most)...)
			}
		}
		closeJournal(t, w)
		got = append(got, followAll(t, f, most)...)
		wantRecords(t, got, want)
		if again := followAll(t, f, most); len(again) != 0 {
			t.Errorf("%d records came again", len(again))
		}
	}
}

// A record that is being written is waited for at every length it can have until it is
// whole.
func TestFollowWaitsForAWholeRecord(t *testing.T) {
	dir, w := newJournal(t, Options{Sync: SyncNone}, wholeRun()...)
	closeJournal(t, w)
	path := filepath.Join(dir, segmentName(1))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f := follow(t, dir)
	var got []*bulkheadv1.Record
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for i := range whole {
		if _, err := file.Write(whole[i : i+1]); err != nil {
			t.Fatal(err)
		}
		got = append(got, followAll(t, f, 1<<20)...)
	}
	wantRecords(t, got, wholeRun())
}

// Damage is waited at, and is an error once the journal continues behind it.
func TestFollowDamage(t *testing.T) {
	dir, w := newJournal(t, Options{Sync: SyncNone, SegmentBytes: 100}, wholeRun()...)
	closeJournal(t, w)
	path := filepath.Join(dir, segmentName(1))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	second, aside := filepath.Join(dir, segmentName(2)), filepath.Join(dir, "aside")
	if err := os.Rename(second, aside); err != nil {
		t.Fatal(err)
	}
	f := follow(t, dir)
	followAll(t, f, 1<<20)
	if err := os.Rename(aside, second); err != nil {
		t.Fatal(err)
	}
	_, err = f.Next(1<<20, func(*bulkheadv1.Record) error { return nil })
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.Segment != segmentName(1) {
		t.Errorf("Next = %v; want a CorruptError in %s", err, segmentName(1))
	}
}

// An error of the caller ends it.
func TestFollowStopsAtTheCallersError(t *testing.T) {
	dir, w := newJournal(t, Options{Sync: SyncNone}, wholeRun()...)
	defer closeJournal(t, w)
	mine := errors.New("mine")
	if _, err := follow(t, dir).Next(1<<20, func(*bulkheadv1.Record) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("Next = %v", err)
	}
}
