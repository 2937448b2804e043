package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
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
		checkOverZeros(t, content, recs, sum, err)
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

// checkOverZeros checks that zeros behind a segment hide nothing that is wrong with it, and add
// nothing.
func checkOverZeros(t *testing.T, content []byte, recs []*bulkheadv1.Record, sum Summary, replayErr error) {
	t.Helper()
	dir := image{segments: [][]byte{append(bytes.Clone(content), make([]byte, 1000)...)}}.write(t)
	got, over, err := replayAll(dir)
	switch {
	case len(content) < headerBytes || len(got) > len(recs): // the zeros made something whole
		return
	case (err != nil) != (replayErr != nil):
		t.Fatalf("Replay = %v, and with zeros behind %v", replayErr, err)
	case err == nil && (sum.Torn != nil) != (over.Torn != nil):
		tail := content[sum.End.Offset:]
		if sum.End.Offset == 0 {
			tail = content[headerBytes:]
		}
		if len(bytes.TrimRight(tail, "\x00")) > 0 {
			t.Fatalf("Replay found torn %v, and with zeros behind %v", sum.Torn, over.Torn)
		}
	case sum.Torn != nil && sum.Torn.Damaged && !over.Torn.Damaged:
		t.Fatalf("Replay found torn %v, and with zeros behind %v", sum.Torn, over.Torn)
	}
	wantRecords(t, got, recs)
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

// FuzzPowerFailure loses sectors of one write of a real journal: which, lost says bit by bit. What
// was acknowledged is there or missed.
func FuzzPowerFailure(f *testing.F) {
	f.Add(uint64(1), uint8(1), []byte{1}, uint16(0))
	f.Add(uint64(2), uint8(6), []byte{0b10, 1}, uint16(5000))
	f.Fuzz(func(t *testing.T, seed uint64, n uint8, lost []byte, zeros uint16) {
		w := newWritten(t, SyncBatch, stories(rand.New(rand.NewPCG(seed, 0))))
		at := 1 + int(n)%(len(w.writes)-1)
		write := w.writes[at]
		content := failPower(w.segments[0], write, 0, func(sector int64) bool {
			i := int(sector - write.from/sectorBytes)
			return i/8 < len(lost) && lost[i/8]>>(i%8)&1 != 0
		})
		if bytes.Equal(content, w.segments[0][:write.to]) {
			return
		}
		whole := append(bytes.Clone(content), w.segments[0][write.to:]...)
		content = append(content, make([]byte, zeros)...)
		checkPowerFailure(t, w.cut(at), content, w.writes[at-1].records)
		if len(whole) > int(write.to) {
			checkRefused(t, append(whole, make([]byte, zeros)...))
		}
	})
}
