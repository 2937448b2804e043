package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/testing/protocmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// marked writes a journal of several segments and returns its folder, its records and the marks
// behind them.
func marked(t *testing.T) (dir string, recs []*bulkheadv1.Record, marks []Mark) {
	t.Helper()
	dir, f := newJournal(t, Options{SegmentBytes: 80}, wholeRun()...)
	closeJournal(t, f)
	_, err := ReplayFrom(dir, Mark{}, func(rec *bulkheadv1.Record, behind Mark) error {
		recs, marks = append(recs, rec), append(marks, behind)
		return nil
	})
	if err != nil || len(recs) != len(wholeRun()) {
		t.Fatalf("ReplayFrom: %v after %d records", err, len(recs))
	}
	return dir, recs, marks
}

// A replay from behind any record delivers the rest, and so does a Follower.
func TestReplayFromAMark(t *testing.T) {
	dir, recs, marks := marked(t)
	for i, from := range marks {
		var replayed, followed []*bulkheadv1.Record
		sum, err := ReplayFrom(dir, from, func(rec *bulkheadv1.Record, behind Mark) error {
			replayed = append(replayed, rec)
			if want := marks[i+len(replayed)]; behind != want {
				t.Errorf("from record %d: behind record %d is %+v; want %+v", i, i+len(replayed), behind, want)
			}
			return nil
		})
		if err != nil || sum.Records != uint64(len(recs)-i-1) || sum.End != marks[len(marks)-1] {
			t.Errorf("from record %d: %+v, %v", i, sum, err)
		}
		if diff := cmp.Diff(recs[i+1:], replayed, protocmp.Transform(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("from record %d (-want +got):\n%s", i, diff)
		}
		f := FollowFrom(dir, from)
		if got := f.At(); got != from {
			t.Errorf("a Follower from %+v is at %+v", from, got)
		}
		_, err = f.Next(1<<20, func(rec *bulkheadv1.Record) error {
			followed = append(followed, rec)
			return nil
		})
		diff := cmp.Diff(recs[i+1:], followed, protocmp.Transform(), cmpopts.EquateEmpty())
		if err != nil || diff != "" {
			t.Errorf("followed from record %d: %v (-want +got):\n%s", i, err, diff)
		}
		if got := f.At(); got != marks[len(marks)-1] {
			t.Errorf("a Follower from record %d ends at %+v; want %+v", i, got, marks[len(marks)-1])
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A mark that is not of the journal, in any of what it says, is refused.
func TestForeignMarks(t *testing.T) {
	dir, _, marks := marked(t)
	for i, good := range marks {
		for what, change := range map[string]func(*Mark){
			"no segment":      func(m *Mark) { m.Segment = 0 },
			"segment before":  func(m *Mark) { m.Segment-- },
			"segment behind":  func(m *Mark) { m.Segment++ },
			"offset":          func(m *Mark) { m.Offset++; m.Bytes++ },
			"negative offset": func(m *Mark) { m.Offset = -m.Offset },
			"bytes":           func(m *Mark) { m.Bytes-- },
			"length":          func(m *Mark) { m.Length++ },
			"no length":       func(m *Mark) { m.Length = 0 },
			"huge length":     func(m *Mark) { m.Length = 1 << 31 },
			"checksum":        func(m *Mark) { m.Checksum ^= 1 },
		} {
			m := good
			change(&m)
			sum, err := ReplayFrom(dir, m, func(*bulkheadv1.Record, Mark) error { return nil })
			if !errors.Is(err, ErrForeignMark) || sum.Records != 0 {
				t.Errorf("behind record %d, another %s: %d records, %v", i, what, sum.Records, err)
			}
			if _, _, err := Open(dir, Options{Read: m}); !errors.Is(err, ErrForeignMark) {
				t.Errorf("Open behind record %d, another %s: %v", i, what, err)
			}
		}
	}
}

// Open takes what was read for read, finds a torn end behind it, and reads the rest.
func TestOpenBehindWhatWasRead(t *testing.T) {
	dir, recs, marks := marked(t)
	last := marks[len(marks)-1]
	f, found, err := Open(dir, Options{Read: last})
	if err != nil || found.Torn != nil || found.Bytes != last.Bytes {
		t.Fatalf("Open: %+v, %v", found, err)
	}
	appendEach(t, f, detached(1))
	closeJournal(t, f)
	segments, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	end := segments[len(segments)-1]
	path := filepath.Join(dir, end.name)
	if err := os.Truncate(path, end.size-1); err != nil {
		t.Fatal(err)
	}
	f, found, err = Open(dir, Options{Read: last})
	if err != nil || found.Torn == nil {
		t.Fatalf("Open of a torn end: %+v, %v", found, err)
	}
	closeJournal(t, f)
	if got, sum, err := replayAll(dir); err != nil || len(got) != len(recs) || sum.Torn != nil {
		t.Errorf("%d records, %+v, %v; want %d", len(got), sum, err, len(recs))
	}
}

// Acknowledged is what was appended, in the file's bytes, before and after a restart.
func TestAcknowledged(t *testing.T) {
	dir, f := newJournal(t, Options{SegmentBytes: 80}, runStarted())
	check := func(f *File) {
		t.Helper()
		_, sum, err := replayAll(dir)
		if err != nil || f.Acknowledged() != sum.End.Bytes {
			t.Errorf("acknowledged are %d bytes; want %d (%v)", f.Acknowledged(), sum.End.Bytes, err)
		}
	}
	check(f)
	for range 8 {
		appendEach(t, f, opened(1))
		check(f)
	}
	closeJournal(t, f)
	f, _, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	check(f)
	closeJournal(t, f)
}

// What is read already is not read again: damage in it is another's to find.
func TestOpenDoesNotReadTwice(t *testing.T) {
	dir, f := newJournal(t, Options{}, wholeRun()...)
	closeJournal(t, f)
	_, sum, err := replayAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, segmentName(1))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[headerBytes+frameBytes] ^= 1 // in the first record
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir, Options{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Open from the begin: %v; want %v", err, ErrCorrupt)
	}
	f, _, err = Open(dir, Options{Read: sum.End})
	if err != nil {
		t.Fatal(err)
	}
	closeJournal(t, f)
}

// Verify finds damage before a mark, and none behind it.
func TestVerify(t *testing.T) {
	dir, _, marks := marked(t)
	calls := 0
	between := func() error { calls++; return nil }
	for i, m := range marks {
		if err := Verify(dir, m, between); err != nil {
			t.Fatalf("up to record %d: %v", i, err)
		}
	}
	if calls < len(marks) {
		t.Errorf("between was called %d times", calls)
	}
	enough := errors.New("enough")
	if err := Verify(dir, marks[0], func() error { return enough }); !errors.Is(err, enough) {
		t.Errorf("ended by between: %v", err)
	}
	at := marks[len(marks)/2]
	path := filepath.Join(dir, segmentName(at.Segment))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at.Offset-1] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, m := range marks {
		if err := Verify(dir, m, between); errors.Is(err, ErrCorrupt) != (i >= len(marks)/2) {
			t.Errorf("record %d is damaged; up to record %d: %v", len(marks)/2, i, err)
		}
	}
}
