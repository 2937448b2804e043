package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"bulkhead/internal/frame"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// written is a journal of one segment, and the writes that it was made of.
type written struct {
	image
	writes []span
}

// span is a write: where it lies in the segment, and how many records there are up to its end.
type span struct {
	from, to int64
	records  int
}

// newWritten writes a run, with as many records in each write as groups says.
func newWritten(t testing.TB, sync Sync, groups [][]*bulkheadv1.Record) written {
	t.Helper()
	dir := t.TempDir()
	f, err := create(dir, Options{Sync: sync}, unsynced(dir))
	if err != nil {
		t.Fatal(err)
	}
	var w written
	var run []*bulkheadv1.Record
	for _, group := range groups {
		from := f.Acknowledged()
		if err := f.Append(t.Context(), group...); err != nil {
			t.Fatal(err)
		}
		run = append(run, group...)
		w.writes = append(w.writes, span{from, f.Acknowledged(), len(run)})
	}
	closeJournal(t, f)
	w.image = imageOf(t, dir, run)
	return w
}

// cut returns the journal up to the end of its n-th write.
func (w written) cut(n int) written {
	last := w.writes[n]
	return written{writes: w.writes[:n+1], image: image{segments: [][]byte{w.segments[0][:last.to:last.to]},
		run: w.run[:last.records:last.records], ends: w.ends[:last.records:last.records]}}
}

// stories returns writes of several pages, of records of several lengths.
func stories(r *rand.Rand) [][]*bulkheadv1.Record {
	groups := [][]*bulkheadv1.Record{{runStarted(), opened(1), attached(1, 0)}}
	seq := uint64(1)
	for range 6 {
		var group []*bulkheadv1.Record
		for range 1 + r.IntN(20) {
			last := seq + uint64(r.IntN(200))
			if r.IntN(3) == 0 {
				last = seq
			}
			group = append(group, batch(1, seq, last))
			seq = last + 1
		}
		groups = append(groups, group)
	}
	return groups
}

// failPower returns a segment of which a write was only begun: lost says of which sectors the disk
// has what was there before, which is zeros behind the write.
func failPower(content []byte, write span, behind int64, lost func(sector int64) bool) []byte {
	content = append(bytes.Clone(content[:write.to]), make([]byte, behind)...)
	for sector := write.from / sectorBytes; sector*sectorBytes < write.to; sector++ {
		if lost(sector) {
			clear(content[max(sector*sectorBytes, write.from):min((sector+1)*sectorBytes, write.to)])
		}
	}
	return content
}

// subsets calls fn with which of a write's sectors are lost: with every choice of them when there
// are few, else with some.
func subsets(r *rand.Rand, write span, fn func(lost func(sector int64) bool)) {
	first, n := write.from/sectorBytes, (write.to-1)/sectorBytes-write.from/sectorBytes+1
	if n <= 6 {
		for choice := uint64(1); choice < 1<<n; choice++ {
			fn(func(sector int64) bool { return choice>>(sector-first)&1 != 0 })
		}
		return
	}
	for range 40 {
		seed, some := r.Uint64(), 1+r.IntN(9)
		fn(func(sector int64) bool {
			return rand.New(rand.NewPCG(seed, uint64(sector))).IntN(10) < some
		})
	}
}

// TestPowerFailure loses sectors of the last write, which was not acknowledged: the journal opens,
// with everything before, and says what it moved aside.
func TestPowerFailure(t *testing.T) {
	spared, doubted := 0, 0
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 1))
		whole := newWritten(t, SyncBatch, stories(r))
		for n := 1; n < len(whole.writes); n++ {
			w := whole.cut(n)
			write, acked := w.writes[n], w.writes[n-1].records
			subsets(r, write, func(lost func(int64) bool) {
				content := failPower(w.segments[0], write, int64(r.IntN(2)*r.IntN(70_000)), lost)
				if bytes.Equal(bytes.TrimRight(content, "\x00"), bytes.TrimRight(w.segments[0], "\x00")) {
					return // they were zeros
				}
				torn := checkPowerFailure(t, w, content, acked)
				if torn != nil && strings.Contains(torn.Why, "of the same write") {
					if spared++; torn.Damaged {
						doubted++
					}
				}
			})
		}
	}
	if spared < 100 || doubted > spared/10 {
		t.Errorf("of %d ends with whole records in them %d were called damaged", spared, doubted)
	}
}

// checkPowerFailure checks what is made of a journal whose last write is not whole.
func checkPowerFailure(t *testing.T, w written, content []byte, acked int) *Torn {
	t.Helper()
	dir := t.TempDir()
	writeSegment(t, dir, 1, content)
	got, sum, err := replayAll(dir)
	if err != nil {
		t.Fatalf("Replay = %v", err)
	}
	if len(got) < acked || len(got) >= len(w.run) {
		t.Fatalf("%d records are left of %d, %d of them acknowledged", len(got), len(w.run), acked)
	}
	wantRecords(t, got, w.run[:len(got):len(got)])
	f, found, err := open(dir, Options{}, unsynced(dir))
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	if fmt.Sprint(found.Torn) != fmt.Sprint(sum.Torn) {
		t.Fatalf("Open found %v, Replay %v", found.Torn, sum.Torn)
	}
	at := int64(headerBytes)
	if len(got) > 0 {
		at = w.ends[len(got)-1]
	}
	aside := bytes.TrimRight(content[at:], "\x00")
	if found.Torn != nil {
		if found.Torn.Offset != at || found.Torn.Bytes < int64(len(aside)) {
			t.Fatalf("torn: %v; it begins at byte %d, and has %d bytes", found.Torn, at, len(aside))
		}
		aside = content[at:][:found.Torn.Bytes]
	}
	checkTornFile(t, found, aside)
	appendEach(t, f, w.run[len(got):]...)
	closeJournal(t, f)
	if got, sum, err = replayAll(dir); err != nil || sum.Torn != nil {
		t.Fatalf("opened: %+v, %v", sum, err)
	}
	wantRecords(t, got, w.run)
	return found.Torn
}

// TestLossOfWhatWasAcknowledged loses sectors of a write that is not the last. It had been
// synced before the next was begun, and no crash explains that.
func TestLossOfWhatWasAcknowledged(t *testing.T) {
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 2))
		w := newWritten(t, SyncBatch, stories(r))
		for n, write := range w.writes[:len(w.writes)-1] {
			subsets(r, write, func(lost func(int64) bool) {
				behind := w.cut(n + 1 + r.IntN(len(w.writes)-n-1)).segments[0][write.to:]
				content := append(failPower(w.segments[0], write, 0, lost), behind...)
				if bytes.Equal(content, w.segments[0][:len(content)]) {
					return
				}
				checkRefused(t, append(content, make([]byte, r.IntN(2)*r.IntN(70_000))...))
			})
		}
	}
}

// checkRefused checks that nobody takes a segment for a journal without damage.
func checkRefused(t *testing.T, content []byte) {
	t.Helper()
	dir := t.TempDir()
	writeSegment(t, dir, 1, content)
	if _, sum, err := replayAll(dir); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("Replay = %+v, %v; want ErrCorrupt", sum, err)
	}
	if _, _, err := open(dir, Options{}, unsynced(dir)); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("Open = %v; want ErrCorrupt", err)
	}
	if r, err := Check(dir); err != nil || r.Damage == nil {
		t.Fatalf("Check = %+v, %v; want damage", r, err)
	}
}

// Where nobody says which write a record came with, a hole before a valid record is corruption:
// in journals of earlier versions, in those that are not synced, and where one of these
// continued.
func TestHolesThatNobodyExplains(t *testing.T) {
	group := []*bulkheadv1.Record{batch(1, 1, 900), batch(1, 901, 901), batch(1, 902, 902)}
	first := []*bulkheadv1.Record{runStarted(), opened(1), attached(1, 0)}
	hole := func(w written, n int) []byte {
		content := bytes.Clone(w.segments[0])
		clear(content[sectorBytes : 3*sectorBytes])
		if w.writes[n].from >= sectorBytes || w.writes[n].to < 3*sectorBytes {
			t.Fatalf("the write is %+v", w.writes[n])
		}
		return content
	}
	w := newWritten(t, SyncBatch, [][]*bulkheadv1.Record{first, group})
	dir := t.TempDir()
	writeSegment(t, dir, 1, hole(w, 1))
	if _, sum, err := replayAll(dir); err != nil || sum.Torn == nil || sum.Torn.Damaged || sum.Records != 3 {
		t.Fatalf("Replay = %+v, %v; want a torn end", sum, err)
	}
	checkRefused(t, hole(newWritten(t, SyncNone, [][]*bulkheadv1.Record{first, group}), 1))

	dir = w.write(t)
	f, _, err := open(dir, Options{Sync: SyncNone}, unsynced(dir))
	if err != nil {
		t.Fatal(err)
	}
	appendEach(t, f, detached(1))
	closeJournal(t, f)
	continued := imageOf(t, dir, append(w.run, detached(1)))
	checkRefused(t, hole(written{continued, w.writes}, 1))
}

// What was not lost but changed is corruption in the last write, too, if a valid record follows.
func TestChangesInTheLastWrite(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := newWritten(t, SyncBatch, stories(r))
	last := w.writes[len(w.writes)-1]
	end := w.ends[len(w.ends)-2] // of the last record but one
	for range 300 {
		content := bytes.Clone(w.segments[0])
		at := last.from + r.Int64N(end-last.from)
		content[at] ^= 1 << r.IntN(8)
		if to := min(at+r.Int64N(8), end); r.IntN(2) == 0 { // a few zeros are no lost sector
			if clear(content[at:to]); bytes.Equal(content, w.segments[0]) {
				continue
			}
		}
		checkRefused(t, content)
	}
}

// Zeros in a part of a sector are no lost one if what else is in it came with the write.
func TestZerosBesideAPartOfTheWrite(t *testing.T) {
	whole := newWritten(t, SyncBatch, stories(rand.New(rand.NewPCG(3, 3))))
	tried := 0
	for n := 1; n < len(whole.writes); n++ {
		w := whole.cut(n)
		for _, at := range w.ends[w.writes[n-1].records:] {
			before, border := at/sectorBytes*sectorBytes, (at/sectorBytes+1)*sectorBytes
			if before == at {
				continue // whole sectors may be lost
			}
			if content := bytes.Clone(w.segments[0]); border <= w.ends[len(w.ends)-2] {
				clear(content[at:border])
				checkRefused(t, content)
				tried++
			}
			if content := bytes.Clone(w.segments[0]); before >= w.writes[n].from && at < w.writes[n].to {
				clear(content[before:at])
				checkRefused(t, content)
				tried++
			}
		}
	}
	if tried < 10 {
		t.Errorf("%d records were tried", tried)
	}
}

// Records that say different things of where their write began did not come with one.
func TestRecordsOfTwoWritesBehindAHole(t *testing.T) {
	record := func(content []byte, rec *bulkheadv1.Record, begin int64) []byte {
		framed, err := appendFrame(nil, rec, true)
		if err != nil {
			t.Fatal(err)
		}
		frame.SetEnd(framed, uint32(begin-int64(len(content)+len(framed))))
		return append(content, framed...)
	}
	for _, second := range []int64{headerBytes, headerBytes + 1} {
		content := record(record(encodeHeader(0), runStarted(), headerBytes), batch(1, 1, 900), headerBytes)
		clear(content[sectorBytes : 2*sectorBytes])
		content = record(record(content, opened(1), headerBytes), opened(2), second)
		if second != headerBytes {
			checkRefused(t, record(content, opened(3), headerBytes))
			continue
		}
		dir := t.TempDir()
		writeSegment(t, dir, 1, content)
		if _, sum, err := replayAll(dir); err != nil || sum.Torn == nil || sum.Torn.Damaged {
			t.Errorf("Replay = %+v, %v; want a torn end", sum, err)
		}
		content = record(content, detached(1), headerBytes)
		content[len(content)-10] ^= 1 // what no lost sector explains may have been acknowledged
		writeSegment(t, dir, 1, content)
		if _, sum, err := replayAll(dir); err != nil || sum.Torn == nil || !sum.Torn.Damaged {
			t.Errorf("Replay = %+v, %v; want a damaged end", sum, err)
		}
	}
}

// A write that begins a segment brings its header.
func TestPowerFailureAtTheBeginOfASegment(t *testing.T) {
	dir := t.TempDir()
	f, err := create(dir, Options{SegmentBytes: 1}, unsynced(dir))
	if err != nil {
		t.Fatal(err)
	}
	group := []*bulkheadv1.Record{batch(1, 1, 900), batch(1, 901, 901), batch(1, 902, 902)}
	appendEach(t, f, runStarted())
	if err := f.Append(t.Context(), group...); err != nil {
		t.Fatal(err)
	}
	closeJournal(t, f)
	im := imageOf(t, dir, append([]*bulkheadv1.Record{runStarted()}, group...))
	whole := bytes.Clone(im.segments[1])
	clear(im.segments[1][:2*sectorBytes])
	dir = im.write(t)
	got, sum, err := replayAll(dir)
	if err != nil || sum.Torn == nil || sum.Torn.Damaged || sum.Torn.Position != (Position{segmentName(2), 0}) {
		t.Fatalf("Replay = %+v, %v", sum, err)
	}
	wantRecords(t, got, im.run[:1])
	f, found, err := open(dir, Options{}, unsynced(dir))
	if err != nil {
		t.Fatal(err)
	}
	checkTornFile(t, found, im.segments[1])
	appendEach(t, f, group...)
	closeJournal(t, f)
	if got, sum, err = replayAll(dir); err != nil || sum.Torn != nil {
		t.Fatalf("opened: %+v, %v", sum, err)
	}
	wantRecords(t, got, im.run)

	// The header of the first segment was synced before.
	copy(whole, encodeHeader(0))
	clear(whole[:2*sectorBytes])
	checkRefused(t, whole)
}

// A record says where its write begins, and nobody but the journal sees it.
func TestWhereWritesBegin(t *testing.T) {
	w := newWritten(t, SyncBatch, stories(rand.New(rand.NewPCG(7, 7))))
	n := 0
	s := segment{name: segmentName(1), number: 1, size: int64(len(w.segments[0]))}
	_, err := readSegment(w.write(t), s, headerBytes, func(payload []byte, at Position, behind Mark) error {
		if begin, ok := writeBegin(payload, behind.Offset); !ok || begin != w.writes[n].from {
			return fmt.Errorf("%v: its write begins at %d, %v; want %d", at, begin, ok, w.writes[n].from)
		}
		if behind.Offset == w.writes[n].to {
			n++
		}
		if _, ok := splitBatch(payload); !ok && n > 1 {
			return fmt.Errorf("%v is not read the short way", at)
		}
		return nil
	})
	if err != nil || n != len(w.writes) {
		t.Errorf("%d writes of %d, %v", n, len(w.writes), err)
	}
	recs, _, err := replayAll(w.write(t))
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, recs, w.run)
	for _, payload := range []string{"", "\x08", untoldBegin, untoldBegin[1:], beginTag + "\x01\x00\x00\x00",
		"\x2a\x08\x22\x06" + beginTag + "\xf0\xff\xff\xff", "\x2a\x07" + beginTag + "\xf0\xff\xff\xff"} {
		if begin, ok := writeBegin([]byte(payload), 100); ok {
			t.Errorf("%x: the write begins at %d", payload, begin)
		}
	}
	if begin, ok := writeBegin([]byte("\x08\x01"+beginTag+"\xf0\xff\xff\xff"), 100); !ok || begin != 84 {
		t.Errorf("the write begins at %d, %v; want 84", begin, ok)
	}
	rec := runStarted()
	rec.WriteBegin = new(int32)
	dir, f := newJournal(t, Options{})
	if err := f.Append(t.Context(), rec); err == nil || !strings.Contains(err.Error(), "write_begin") {
		t.Errorf("Append in %s = %v", dir, err)
	}
}
