package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// image is the content of a journal's segments, and where its records end.
type image struct {
	segments [][]byte
	run      []*bulkheadv1.Record
	ends     []int64 // of the records, in bytes from the start of the journal
}

// newImage writes a run, each record in a write of its own. With SyncNone the records do not say
// where that begins, as those of earlier versions.
func newImage(t testing.TB, o Options, run []*bulkheadv1.Record) image {
	t.Helper()
	dir, f := newJournal(t, o, run...)
	closeJournal(t, f)
	return imageOf(t, dir, run)
}

// imageOf reads the journal in dir, which holds a run.
func imageOf(t testing.TB, dir string, run []*bulkheadv1.Record) image {
	t.Helper()
	segments, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	im := image{run: run}
	for _, s := range segments {
		content, err := os.ReadFile(filepath.Join(dir, s.name))
		if err != nil {
			t.Fatal(err)
		}
		im.segments = append(im.segments, content)
		_, err = readSegment(dir, s, headerBytes, func(payload []byte, at Position, _ Mark) error {
			im.ends = append(im.ends, s.start+at.Offset+frameBytes+int64(len(payload)))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return im
}

// write writes the segments into a new folder.
func (im image) write(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i, content := range im.segments {
		writeSegment(t, dir, i+1, content)
	}
	return dir
}

func writeSegment(t testing.TB, dir string, n int, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, segmentName(n)), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// tornAt returns a torn tail without its reason.
func tornAt(segment string, offset, bytes int64) *Torn {
	return &Torn{Position: Position{segment, offset}, Bytes: bytes}
}

// withoutWhy compares torn tails by place and length.
func withoutWhy(t *Torn) *Torn {
	if t == nil {
		return nil
	}
	return &Torn{Position: t.Position, Bytes: t.Bytes}
}

// TestEveryPrefixOpens cuts a journal at every byte, as a crash would, and finishes the
// run on what is left.
func TestEveryPrefixOpens(t *testing.T) {
	im := newImage(t, Options{Sync: SyncNone, SegmentBytes: 150}, wholeRun())
	var start int64
	for i, content := range im.segments {
		for size := 0; size <= len(content); size++ {
			t.Run(fmt.Sprintf("%s to %d", segmentName(i+1), size), func(t *testing.T) {
				im.checkPrefix(t, i, start, size)
			})
		}
		start += int64(len(content))
	}
}

// checkPrefix checks the journal that ends after size bytes of the i-th segment, which
// has start bytes before it.
func (im image) checkPrefix(t *testing.T, i int, start int64, size int) {
	dir := image{segments: im.segments[:i]}.write(t)
	writeSegment(t, dir, i+1, im.segments[i][:size])

	records, whole := 0, int64(0) // what is complete, whole counted in the segment
	if size >= headerBytes {
		whole = headerBytes
	}
	for records < len(im.ends) && im.ends[records] <= start+int64(size) {
		whole = max(whole, im.ends[records]-start)
		records++
	}
	var torn *Torn
	if tail := int64(size) - whole; tail > 0 || size == 0 {
		torn = tornAt(segmentName(i+1), whole, tail)
	}

	got, sum, err := replayAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, im.run[:records:records])
	if diff := cmp.Diff(torn, withoutWhy(sum.Torn)); diff != "" {
		t.Fatalf("Replay's torn tail:\n%s", diff)
	}
	if r := mustCheck(t, dir); cmp.Diff(sum, r.Summary) != "" {
		t.Fatalf("Check found %+v, Replay %+v", r.Summary, sum)
	}
	f, found, err := open(dir, Options{SegmentBytes: 150}, unsynced(dir))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sum.Torn, found.Torn); diff != "" {
		t.Fatalf("Open's torn tail is not Replay's:\n%s", diff)
	}
	checkTornFile(t, found, im.segments[i][whole:size])
	appendEach(t, f, im.run[records:]...)
	closeJournal(t, f)

	got, sum, err = replayAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, got, im.run)
	if sum.Torn != nil {
		t.Fatalf("torn after Open: %v", sum.Torn)
	}
	mustCheck(t, dir)
}

// checkTornFile checks that the torn tail was kept.
func checkTornFile(t *testing.T, found Recovery, tail []byte) {
	t.Helper()
	if len(tail) == 0 {
		if found.TornFile != "" {
			t.Fatalf("TornFile = %s for no bytes", found.TornFile)
		}
		return
	}
	kept, err := os.ReadFile(found.TornFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(kept) != string(tail) || !strings.HasSuffix(found.TornFile, ".torn") {
		t.Fatalf("%s holds %x, want %x", found.TornFile, kept, tail)
	}
}

// TestEveryFlippedBitIsSeen flips each bit of a journal. In the last record that is a
// torn tail, anywhere else an error, and never a record that was not written.
func TestEveryFlippedBitIsSeen(t *testing.T) {
	im := newImage(t, Options{Sync: SyncNone, SegmentBytes: 150}, wholeRun())
	if len(im.segments) < 3 {
		t.Fatalf("%d segments, want several", len(im.segments))
	}
	im.flipEveryBit(t)
	dir, f := newJournal(t, Options{})
	if err := f.Append(t.Context(), wholeRun()...); err != nil { // one write
		t.Fatal(err)
	}
	closeJournal(t, f)
	imageOf(t, dir, wholeRun()).flipEveryBit(t)
}

func (im image) flipEveryBit(t *testing.T) {
	t.Helper()
	dir := im.write(t)
	var start int64
	for i, content := range im.segments {
		for bit := range len(content) * 8 {
			content[bit/8] ^= 1 << (bit % 8)
			writeSegment(t, dir, i+1, content)
			im.checkFlip(t, dir, start+int64(bit/8), Position{segmentName(i + 1), int64(bit / 8)})
			content[bit/8] ^= 1 << (bit % 8)
		}
		writeSegment(t, dir, i+1, content)
		start += int64(len(content))
	}
	mustCheck(t, dir) // every bit is back
}

// checkFlip checks what is made of the journal in dir with one bit flipped at a byte of
// it, which is also at place.
func (im image) checkFlip(t *testing.T, dir string, at int64, place Position) {
	t.Helper()
	got, sum, err := replayAll(dir)
	if len(got) >= len(im.run) {
		t.Fatalf("%v: %d records are replayed, none is missing", place, len(got))
	}
	wantRecords(t, got, im.run[:len(got)])
	r, checkErr := Check(dir)
	if inLast := at >= im.ends[len(im.ends)-2]; inLast {
		if err != nil || sum.Torn == nil || !sum.Torn.Damaged || checkErr != nil || r.Err() == nil || r.Damage != nil {
			t.Fatalf("%v, in the last record: Replay = %+v, %v, Check = %v; want a torn tail that is damaged", place,
				sum, err, r.Err())
		}
		return
	}
	if sum.Torn != nil || !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
		t.Fatalf("%v: Replay = %+v, %v; want ErrCorrupt or ErrVersion", place, sum, err)
	}
	if checkErr == nil && r.Err() == nil {
		t.Fatalf("%v: Check found nothing", place)
	}
	inspected := place.Segment == segmentName(len(im.segments)) || place.Offset < headerBytes
	f, _, openErr := open(dir, Options{}, unsynced(dir))
	if openErr == nil {
		closeJournal(t, f)
	}
	if inspected && fmt.Sprint(openErr) != fmt.Sprint(err) {
		t.Fatalf("%v: Replay = %v but Open = %v", place, err, openErr)
	}
}

func TestDamage(t *testing.T) {
	const last = "00000003.seg"
	zeros := make([]byte, 10_000)
	tests := []struct {
		name   string
		damage func(im *image)
		torn   string // what Torn says
		err    string // what the error says
	}{
		{name: "a record of zeros and more that is none after the last",
			damage: func(im *image) { im.segments[2] = append(append(im.segments[2], zeros[:9000]...), "x"...) },
			torn:   "9001 bytes damaged: zeros where a record should begin"},
		{name: "last record lost in zeros",
			damage: func(im *image) { clear(im.segments[2][im.lastRecord()+10:]) },
			torn:   "damaged: record checksum is wrong; " + MayBeAcknowledged},
		{name: "junk after the last record",
			damage: func(im *image) { im.segments[2] = append(im.segments[2], strings.Repeat("junk ", 30_000)...) },
			torn:   "150000 bytes damaged: record length 1802401130 is impossible"},
		{name: "a record of no bytes",
			damage: func(im *image) { im.segments[2] = append(im.segments[2], framed(nil)...) },
			torn:   "8 bytes damaged: record length 0 is impossible"},
		{name: "last segment is all zeros",
			damage: func(im *image) { clear(im.segments[2]) },
			torn:   "bytes damaged: segment header is all zeros"},
		{name: "last record cut short",
			damage: func(im *image) { im.segments[2] = im.segments[2][:im.lastRecord()+10] },
			torn:   "10 bytes torn: record cut short: 2 of 6 bytes"},
		{name: "a flipped bit makes the last record longer",
			damage: func(im *image) { im.segments[2][im.lastRecord()+1] ^= 1 },
			torn: "14 bytes damaged: record length is wrong: its checksum is right for what is there; " +
				MayBeAcknowledged},
		{name: "a flipped bit makes the last record longer, and zeros follow",
			damage: func(im *image) {
				im.segments[2][im.lastRecord()+1] ^= 1
				im.segments[2] = append(im.segments[2], zeros...)
			},
			torn: "damaged: record checksum is wrong; " + MayBeAcknowledged},
		{name: "last segment is empty",
			damage: func(im *image) { im.segments[2] = nil },
			torn:   last + " at byte 0: 0 bytes torn: segment header cut short: 0 of 16 bytes"},
		{name: "a hole before the last record",
			damage: func(im *image) { clear(im.segments[2][headerBytes:im.lastRecord()]) },
			err:    "zeros where a record should begin, and a valid record follows at byte"},
		{name: "a hole before the last record, and zeros behind it",
			damage: func(im *image) {
				clear(im.segments[2][headerBytes:im.lastRecord()])
				im.segments[2] = append(im.segments[2], zeros...)
			},
			err: "zeros where a record should begin, and a valid record follows at byte"},
		{name: "damage before the last record, and zeros behind it",
			damage: func(im *image) {
				im.segments[2][im.lastRecord()-1] ^= 1
				im.segments[2] = append(im.segments[2], zeros...)
			},
			err: "record checksum is wrong, and a valid record follows at byte"},
		{name: "three bytes of junk before the last record",
			damage: func(im *image) {
				im.segments[2] = slices.Insert(im.segments[2], int(im.lastRecord()), 0xff, 0xff, 0xff)
			},
			err: "and a valid record follows at byte"},
		{name: "header lost in zeros, records there",
			damage: func(im *image) { clear(im.segments[2][:headerBytes]) },
			err:    "segment header is all zeros, and a valid record follows at byte 16"},
		{name: "zeros after a segment that is not the last",
			damage: func(im *image) { im.segments[0] = append(im.segments[0], zeros...) },
			err:    "00000001.seg at byte 163: zeros where a record should begin, and more of the journal follows"},
		{name: "a segment cut between records",
			damage: func(im *image) { im.segments[1] = im.segments[1][:headerBytes] },
			err:    last + " at byte 8: begins at byte"},
		{name: "two segments swapped",
			damage: func(im *image) { im.segments[0], im.segments[1] = im.segments[1], im.segments[0] },
			err:    "00000001.seg at byte 8: begins at byte 163 of the journal, but 0 bytes lie before it"},
		{name: "not a journal",
			damage: func(im *image) { copy(im.segments[0], "#!/bin/sh\n") },
			err:    `00000001.seg at byte 0: not a journal segment: begins with "#!/b", not "BHJL"`},
		{name: "a later version",
			damage: func(im *image) { im.segments[0][4] = 9 },
			err:    "version 9, this program knows 1"},
		{name: "a checksum that is right over a payload that is none",
			damage: func(im *image) { im.segments[2] = append(im.segments[2], framed([]byte{0xff})...) },
			err:    "record has the right checksum but does not decode"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			im := newImage(t, Options{Sync: SyncNone, SegmentBytes: 150}, wholeRun())
			if len(im.segments) != 3 {
				t.Fatalf("%d segments, want 3", len(im.segments))
			}
			tt.damage(&im)
			_, sum, err := replayAll(im.write(t))
			if tt.torn != "" && (err != nil || sum.Torn == nil || !strings.Contains(sum.Torn.String(), tt.torn)) {
				t.Errorf("Replay = %v, %v; want torn %q", sum.Torn, err, tt.torn)
			}
			if tt.err != "" && (sum.Torn != nil || err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("Replay = %v, %v; want error %q", sum.Torn, err, tt.err)
			}
		})
	}
}

// lastRecord returns the offset of the last record in the last segment.
func (im image) lastRecord() int64 {
	var before int64
	for _, content := range im.segments[:len(im.segments)-1] {
		before += int64(len(content))
	}
	return im.ends[len(im.ends)-2] - before
}

func TestStrayFiles(t *testing.T) {
	for name, want := range map[string]string{
		"00000002.seg": "00000001.seg at byte 0: file is missing, but 00000002.seg is there",
		"00000003.seg": "00000002.seg at byte 0: file is missing, but 00000003.seg is there",
		"1.seg":        "1.seg at byte 0: not the name of a segment",
		"00000000.seg": "00000000.seg at byte 0: not the name of a segment",
		"x.seg":        "x.seg at byte 0: not the name of a segment",
	} {
		dir, f := newJournal(t, Options{}, runStarted())
		closeJournal(t, f)
		if err := os.Rename(filepath.Join(dir, segmentName(1)), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if name == "00000003.seg" {
			writeSegment(t, dir, 1, encodeHeader(0))
		}
		if _, _, err := replayAll(dir); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Replay = %v, want %q", name, err, want)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, segmentName(1)), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := replayAll(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a folder named like a segment: Replay = %v, want ErrCorrupt", err)
	}
}

// What lies before a missing segment is read and checked, and the hole is named.
func TestMissingSegments(t *testing.T) {
	im := newImage(t, Options{Sync: SyncNone, SegmentBytes: 150}, slices.Insert(wholeRun(), 3, opened(1)))
	if len(im.segments) != 3 {
		t.Fatalf("%d segments, want 3", len(im.segments))
	}
	first := 0 // records of the first segment
	for first < len(im.ends) && im.ends[first] <= int64(len(im.segments[0])) {
		first++
	}
	for missing, want := range []struct {
		records  int
		problems []string
	}{
		{0, []string{"00000001.seg at byte 0: file is missing, but 00000002.seg is there"}},
		{first, []string{"session 1: opened again",
			"00000002.seg at byte 0: file is missing, but 00000003.seg is there"}},
	} {
		dir := im.write(t)
		if err := os.Remove(filepath.Join(dir, segmentName(missing+1))); err != nil {
			t.Fatal(err)
		}
		got, sum, err := replayAll(dir)
		if !errors.Is(err, ErrCorrupt) || sum.Segments != missing {
			t.Errorf("without segment %d: Replay = %+v, %v", missing+1, sum, err)
		}
		wantRecords(t, got, im.run[:want.records])
		r, err := Check(dir)
		if err != nil || r.Damage == nil || len(r.Violations) != len(want.problems) {
			t.Fatalf("without segment %d: Check = %+v, %v", missing+1, r, err)
		}
		for i, problem := range want.problems {
			if !strings.Contains(r.Violations[i].String(), problem) {
				t.Errorf("without segment %d: %v, want %q", missing+1, r.Violations[i], problem)
			}
		}
		if _, _, err := open(dir, Options{}, unsynced(dir)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("without segment %d: Open = %v, want ErrCorrupt", missing+1, err)
		}
	}
}
