package recovery

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// written is a journal of several segments, and the marks behind its records.
type written struct {
	dir   string
	recs  []*bulkheadv1.Record
	marks []journal.Mark
}

func writeJournal(t testing.TB, recs []*bulkheadv1.Record) written {
	t.Helper()
	w := written{dir: filepath.Join(t.TempDir(), "journal"), recs: recs}
	j, err := journal.Create(w.dir, journal.Options{SegmentBytes: 4 << 10, Sync: journal.SyncNone})
	must(t, err)
	for _, rec := range recs {
		must(t, j.Append(context.Background(), rec))
	}
	must(t, j.Close())
	sum, err := journal.ReplayFrom(w.dir, journal.Mark{}, func(_ *bulkheadv1.Record, behind journal.Mark) error {
		w.marks = append(w.marks, behind)
		return nil
	})
	must(t, err)
	if len(w.marks) != len(recs) || sum.Segments < 3 {
		t.Fatalf("%d records in %d segments; want %d in 3 and more", len(w.marks), sum.Segments, len(recs))
	}
	return w
}

// checkpoint returns the checkpoint behind the n-th record.
func (w written) checkpoint(t testing.TB, n int) []byte {
	t.Helper()
	return marshalled(t, fold(t, New(), w.recs[:n]), w.marks[n-1])
}

func (w written) put(t testing.TB, name string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(w.dir, name), data, 0o600))
}

// loads loads the journal, which must say what all of its records say.
func (w written) loads(t testing.TB) Loaded {
	t.Helper()
	l, err := Load(w.dir)
	must(t, err)
	want := fold(t, seeded(l.Past.seed), recordsOf(t, w.dir))
	if wrong := differences(l.Past, want); len(wrong) > 0 {
		t.Errorf("what was loaded from %v is not what the records say: %v", l.From, wrong)
	}
	sum, err := journal.Replay(w.dir, func(*bulkheadv1.Record) error { return nil })
	must(t, err)
	if l.End != sum.End {
		t.Errorf("it ends at %+v; want %+v", l.End, sum.End)
	}
	return l
}

func disturbed(t testing.TB) written { return writeJournal(t, histories(t)["disturbed"]) }

// A journal says the same from whatever checkpoint it is loaded, and only what follows is read.
func TestLoadBeginsAtACheckpoint(t *testing.T) {
	w := disturbed(t)
	end := w.marks[len(w.marks)-1].Bytes
	for n := 1; n <= len(w.recs); n++ {
		w.put(t, File, w.checkpoint(t, n))
		l := w.loads(t)
		if l.From != w.marks[n-1] || len(l.Unused) > 0 || l.Records != uint64(len(w.recs)-n) ||
			l.Bytes > end-l.From.Bytes {
			t.Fatalf("checkpoint behind record %d of %d: loaded from %+v with %d records, unused %v", n, len(w.recs),
				l.From, l.Records, l.Unused)
		}
	}
}

// What is no checkpoint of this journal is not used, and why is told: the one before is, or all
// records are read.
func TestLoadWithoutAGoodCheckpoint(t *testing.T) {
	w := disturbed(t)
	n := len(w.recs)
	good, older := w.checkpoint(t, n-2), w.checkpoint(t, n/2)
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	newer := bytes.Clone(good)
	binary.LittleEndian.PutUint32(newer[len(magic):], version+1)
	otherRun := fold(t, New(), w.recs[:n-2])
	otherRun.RunID = "another run"
	otherEnd := w.marks[n-3]
	otherEnd.Checksum++
	ahead := w.marks[n-1]
	ahead.Offset, ahead.Bytes = ahead.Offset+1000, ahead.Bytes+1000
	elsewhere := w.marks[n-3]
	elsewhere.Bytes++
	further := w.marks[n-1]
	further.Segment++
	// It belongs to the journal and says something else: what follows contradicts it.
	wrong := fold(t, New(), w.recs[:n/2])
	for _, s := range wrong.Sessions {
		s.Durable += 5
	}
	for _, tt := range []struct {
		name        string
		newest, old []byte
		from        int // the record behind which it is loaded; 0 is the begin
		says        string
	}{
		{"none", nil, nil, 0, ""},
		{"only the older", nil, older, n / 2, ""},
		{"empty", []byte{}, older, n / 2, "checkpoint: it is damaged: it does not begin"},
		{"cut short", good[:len(good)-9], older, n / 2, "checkpoint: it is damaged"},
		{"a bit flipped", flipped, older, n / 2, "checkpoint: it is damaged"},
		{"a bit flipped, and none before", flipped, nil, 0, "checkpoint: it is damaged"},
		{"both damaged", flipped, older[:9], 0, "checkpoint.old: it is damaged"},
		{"too new", newer, older, n / 2, "it is of version"},
		{"of another run", marshalled(t, otherRun, w.marks[n-3]), older, n / 2, `it is of run "another run"`},
		{"behind another record", marshalled(t, fold(t, New(), w.recs[:n-2]), otherEnd), older, n / 2,
			"a record that is not there"},
		{"ahead of the journal", marshalled(t, fold(t, New(), w.recs), ahead), older, n / 2, "and the segment has"},
		{"in a segment to come", marshalled(t, fold(t, New(), w.recs), further), older, n / 2, "and the journal has"},
		{"of segments of other sizes", marshalled(t, fold(t, New(), w.recs[:n-2]), elsewhere), older, n / 2,
			"of the journal, which is byte"},
		{"without a place", marshalled(t, fold(t, New(), w.recs), journal.Mark{}), older, n / 2,
			"no record before its end"},
		{"contradicted by what follows", marshalled(t, wrong, w.marks[n/2-1]), nil, 0, "continues with messages"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			must(t, Remove(w.dir))
			if tt.newest != nil {
				w.put(t, File, tt.newest)
			}
			if tt.old != nil {
				w.put(t, OldFile, tt.old)
			}
			l := w.loads(t)
			from := journal.Mark{}
			if tt.from > 0 {
				from = w.marks[tt.from-1]
			}
			if said := fmt.Sprint(l.Unused); l.From != from || !strings.Contains(said, tt.says) ||
				(tt.says == "") != (len(l.Unused) == 0) {
				t.Errorf("loaded from %v, unused: %s; want from %v and %q", l.From, said, from, tt.says)
			}
		})
	}
}

// A journal that lost its end to a crash of the machine is shorter than its checkpoint. That is
// not used, also not when the journal has grown beyond it again, with other records.
func TestACheckpointOfALostEndIsNeverUsed(t *testing.T) {
	w := disturbed(t)
	n := len(w.recs)
	w.put(t, File, w.checkpoint(t, n))
	cut := w.marks[n-2]
	if cut.Segment != w.marks[n-1].Segment {
		t.Fatal("the last record is alone in its segment")
	}
	last := filepath.Join(w.dir, fmt.Sprintf("%08d.seg", cut.Segment))
	must(t, os.Truncate(last, cut.Offset+3)) // a torn end
	if l := w.loads(t); l.From != (journal.Mark{}) || len(l.Unused) != 1 || l.Torn == nil {
		t.Errorf("loaded from %v with %v unused, torn %v; want the begin", l.From, l.Unused, l.Torn)
	}
	j, _, err := journal.Open(w.dir, journal.Options{Sync: journal.SyncNone})
	must(t, err)
	for range 100 {
		must(t, j.Append(context.Background(), &bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorRestarted{
			SupervisorRestarted: &bulkheadv1.SupervisorRestarted{Pid: 3}}}))
	}
	must(t, j.Close())
	if l := w.loads(t); l.From != (journal.Mark{}) || len(l.Unused) != 1 {
		t.Errorf("loaded from %v with %v unused; want the begin", l.From, l.Unused)
	}
}

// Damage behind the checkpoint is found, as without one; damage before it is the Keeper's to find.
func TestLoadOfADamagedJournal(t *testing.T) {
	w := disturbed(t)
	n := len(w.recs)
	w.put(t, File, w.checkpoint(t, n/2))
	flip := func(at journal.Mark) {
		path := filepath.Join(w.dir, fmt.Sprintf("%08d.seg", at.Segment))
		data, err := os.ReadFile(path)
		must(t, err)
		data[at.Offset-1] ^= 1
		must(t, os.WriteFile(path, data, 0o600))
	}
	flip(w.marks[n/2+1])
	l, err := Load(w.dir)
	if !errors.Is(err, journal.ErrCorrupt) || l.From != w.marks[n/2-1] || l.Records != 1 || l.End != w.marks[n/2] {
		t.Errorf("Load: %v, from %v, after %d records; want it corrupt after one behind the checkpoint", err, l.From,
			l.Records)
	}
	if wrong := differences(l.Past, fold(t, seeded(l.Past.seed), w.recs[:n/2+1])); len(wrong) > 0 {
		t.Errorf("up to the damage %v", wrong)
	}
	flip(w.marks[n/2+1])
	flip(w.marks[n/4])
	if l, err := Load(w.dir); err != nil || l.From != w.marks[n/2-1] {
		t.Errorf("Load: %v, from %v", err, l.From)
	}
	// A segment that is missing, and one that has grown, are noticed in their names and headers.
	must(t, os.Rename(filepath.Join(w.dir, "00000001.seg"), filepath.Join(w.dir, "moved")))
	if _, err := Load(w.dir); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("Load without the first segment: %v; want it corrupt", err)
	}
	must(t, os.Rename(filepath.Join(w.dir, "moved"), filepath.Join(w.dir, "00000001.seg")))
	must(t, os.Truncate(filepath.Join(w.dir, "00000001.seg"), w.marks[0].Offset))
	if _, err := Load(w.dir); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("Load with a first segment cut short: %v; want it corrupt", err)
	}
}

func TestLoadOfNoJournal(t *testing.T) {
	if l, err := Load(t.TempDir()); !errors.Is(err, journal.ErrNoJournal) || l.Past == nil {
		t.Errorf("Load: %v; want %v", err, journal.ErrNoJournal)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, journal.ErrNoJournal) {
		t.Errorf("Load: %v; want %v", err, journal.ErrNoJournal)
	}
}

// Remove leaves nothing of checkpoints, and all of the journal.
func TestRemove(t *testing.T) {
	w := disturbed(t)
	before := names(t, w.dir)
	for _, name := range []string{File, OldFile, ".tmp-checkpoint-0123abcd"} {
		w.put(t, name, nil)
	}
	must(t, Remove(w.dir))
	must(t, Remove(w.dir))
	if got := names(t, w.dir); got != before {
		t.Errorf("left are %s; want %s", got, before)
	}
}

func names(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	return fmt.Sprint(entries)
}

// Check compares a checkpoint with the records, and says what of it is wrong.
func TestCheck(t *testing.T) {
	w := disturbed(t)
	n := len(w.recs)
	if found := Check(w.dir); len(found) != 0 {
		t.Errorf("of no checkpoint Check says %+v", found)
	}
	good := w.checkpoint(t, n-1)
	wrong, at := decoded(t, w.checkpoint(t, n/2))
	wrong.Sessions[1].Durable++
	wrong.Refused++
	delete(wrong.Sessions, 2)
	maps.DeleteFunc(wrong.Open, func(_ uint64, h Handler) bool { return h.Session == 2 })
	w.put(t, File, good)
	w.put(t, OldFile, marshalled(t, wrong, at))
	found := Check(w.dir)
	if len(found) != 2 {
		t.Fatalf("Check: %+v", found)
	}
	if c := found[0]; c.File != File || c.JournalBytes != w.marks[n-2].Bytes || c.Unused != nil ||
		c.Unchecked != nil || len(c.Wrong) > 0 {
		t.Errorf("of a good checkpoint Check says %+v", c)
	}
	said := fmt.Sprint(found[1].Wrong)
	for _, want := range []string{"session 1: durable differs", "refused differs", "session 2 is missing"} {
		if !strings.Contains(said, want) {
			t.Errorf("of a wrong checkpoint Check says %s; want %q", said, want)
		}
	}
	w.put(t, File, good[:len(good)-1])
	if c := Check(w.dir)[0]; c.Unused == nil || len(c.Wrong) > 0 {
		t.Errorf("of a damaged checkpoint Check says %+v", c)
	}
	ahead := w.marks[n-1]
	ahead.Offset, ahead.Bytes = ahead.Offset+1000, ahead.Bytes+1000
	w.put(t, File, marshalled(t, fold(t, New(), w.recs), ahead))
	if c := Check(w.dir)[0]; !errors.Is(c.Unused, journal.ErrForeignMark) {
		t.Errorf("of a checkpoint that is ahead Check says %+v", c)
	}
	// Nothing says whether it is right.
	w.put(t, File, good)
	path := filepath.Join(w.dir, "00000001.seg")
	data, err := os.ReadFile(path)
	must(t, err)
	data[len(data)-1] ^= 1
	must(t, os.WriteFile(path, data, 0o600))
	if c := Check(w.dir)[0]; !errors.Is(c.Unchecked, journal.ErrCorrupt) {
		t.Errorf("of a checkpoint of a damaged journal Check says %+v", c)
	}
}

// A checkpoint that is missing is no trouble, and one that cannot be read is told.
func TestACheckpointThatCannotBeRead(t *testing.T) {
	w := disturbed(t)
	must(t, os.Mkdir(filepath.Join(w.dir, File), 0o700))
	l := w.loads(t)
	if len(l.Unused) != 1 || errors.Is(l.Unused[0], fs.ErrNotExist) {
		t.Errorf("unused: %v", l.Unused)
	}
}
