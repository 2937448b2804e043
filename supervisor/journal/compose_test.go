package journal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// encodedRecords returns a journal's records one by one, and then err if it is not nil.
func encodedRecords(t *testing.T, err error, recs ...*bulkheadv1.Record) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, r := range recs {
			data, err := proto.Marshal(r)
			if err != nil {
				t.Error(err)
			}
			if !yield(data, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// TestComposedJournalIsAnOrdinaryOne composes the same records twice, in segments: the bytes are the
// same, Replay finds every record, and a writer continues.
func TestComposedJournalIsAnOrdinaryOne(t *testing.T) {
	recs := []*bulkheadv1.Record{runStarted()}
	for i := range uint32(40) {
		recs = append(recs, opened(i+1))
	}
	var sums []Composed
	for range 2 {
		dir := filepath.Join(t.TempDir(), "journal")
		made, err := Compose(dir, 256, encodedRecords(t, nil, recs...))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, made)
		var found []*bulkheadv1.Record
		sum, err := Replay(dir, func(r *bulkheadv1.Record) error { found = append(found, r); return nil })
		if err != nil || sum.Torn != nil || sum.Segments != made.Segments || made.Segments < 3 {
			t.Fatalf("%+v of %+v: %v", sum, made, err)
		}
		if !slices.EqualFunc(found, recs, func(a, b *bulkheadv1.Record) bool { return proto.Equal(a, b) }) {
			t.Errorf("%d records are found, of %d, or others", len(found), len(recs))
		}
		whole := wholeOf(t, dir)
		if sha256.Sum256(whole) != made.Sum || int64(len(whole)) != made.Bytes {
			t.Error("the sum is not that of the segments")
		}
		f, _, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		appendEach(t, f, opened(99))
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("the same records make %+v and %+v", sums[0], sums[1])
	}
}

// wholeOf returns all segments of a journal, one after the other.
func wholeOf(t *testing.T, dir string) []byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+SegmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	var whole bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		whole.Write(data)
	}
	return whole.Bytes()
}

// TestNothingIsLeftOfAJournalThatIsNotComposed ends a composition in its middle.
func TestNothingIsLeftOfAJournalThatIsNotComposed(t *testing.T) {
	cause := errors.New("cannot be read")
	dir := filepath.Join(t.TempDir(), "journal")
	recs := encodedRecords(t, cause, runStarted(), opened(1), opened(2))
	if _, err := Compose(dir, 64, recs); !errors.Is(err, cause) {
		t.Errorf("Compose = %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
	if _, err := Compose(dir, 0, encodedRecords(t, nil, &bulkheadv1.Record{})); err == nil {
		t.Error("an empty record is composed")
	}
}
