package journal

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// FuzzReplay reads arbitrary bytes as the only segment of a journal. Replay must end with
// records, a torn tail or a named error, in bounded memory; Check and Open must agree
// with it; and what Open accepts can be continued without losing a record.
func FuzzReplay(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := image{segments: [][]byte{content}}.write(t)
		var recs []*bulkheadv1.Record
		var sum Summary
		var err error
		used := allocated(func() { recs, sum, err = replayAll(dir) })
		// A record in memory is larger than its bytes: an empty part of two bytes is a
		// struct of a hundred.
		if limit := replayBaseBytes + 256*uint64(len(content)); used > limit {
			t.Errorf("Replay of %d bytes allocated %d", len(content), used)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
			t.Fatalf("Replay = %v, want a named error", err)
		}
		checkAgrees(t, dir, sum, err)
		journal, _, openErr := open(dir, Options{}, unsynced(dir))
		if (err == nil) != (openErr == nil) {
			t.Fatalf("Replay = %v but Open = %v", err, openErr)
		}
		if err != nil {
			return
		}
		appendEach(t, journal, detached(1))
		closeJournal(t, journal)
		got, sum, err := replayAll(dir)
		if err != nil || sum.Torn != nil {
			t.Fatalf("after Open: Replay = %+v, %v", sum, err)
		}
		wantRecords(t, got, append(recs, detached(1)))
	})
}

// checkAgrees checks that Check says of a journal what Replay said.
func checkAgrees(t *testing.T, dir string, sum Summary, replayErr error) {
	t.Helper()
	r, err := Check(dir)
	var corrupt *CorruptError
	if errors.As(replayErr, &corrupt) {
		last := fmt.Sprint(Violation{corrupt.Position, corrupt.Why})
		if n := len(r.Violations); err != nil || n == 0 || r.Omitted == 0 && r.Violations[n-1].String() != last {
			t.Fatalf("Replay = %v but Check = %+v, %v", replayErr, r, err)
		}
	} else if fmt.Sprint(err) != fmt.Sprint(replayErr) {
		t.Fatalf("Replay = %v but Check = %v", replayErr, err)
	}
	if diff := cmp.Diff(sum, r.Summary); err == nil && diff != "" {
		t.Fatalf("Check's summary is not Replay's:\n%s", diff)
	}
}
