package recovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// keeping is a Keeper at work on a journal that a test writes.
type keeping struct {
	*Keeper
	t    *testing.T
	file *journal.File
	log  *lines
	stop func()
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// keep opens the journal in dir, or begins one, with a Keeper that finds any record worth a
// checkpoint when it is asked.
func keep(t *testing.T, dir string) *keeping {
	t.Helper()
	k := &keeping{t: t, log: new(lines)}
	loaded, err := Load(dir)
	if err != nil {
		loaded = Loaded{Past: New()}
		k.file, err = journal.Create(dir, journal.Options{SegmentBytes: 4 << 10, Sync: journal.SyncNone})
	} else {
		k.file, _, err = journal.Open(dir, journal.Options{SegmentBytes: 4 << 10, Sync: journal.SyncNone})
	}
	must(t, err)
	k.Keeper = NewKeeper(dir, loaded, k.file.Acknowledged, slog.New(slog.NewTextHandler(k.log, nil)))
	k.worth = 1
	return k
}

// run sets the Keeper to work until stop, or the end of the test.
func (k *keeping) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }()
	var once sync.Once
	k.stop = func() { once.Do(func() { cancel(); <-done; must(k.t, k.file.Close()) }) }
	k.t.Cleanup(k.stop)
}

func (k *keeping) append(recs ...*bulkheadv1.Record) {
	k.t.Helper()
	for _, rec := range recs {
		must(k.t, k.file.Append(context.Background(), rec))
	}
}

// The Keeper of a run that is killed again and again leaves checkpoints from which each next
// supervisor begins; the two newest stay.
func TestKeeper(t *testing.T) {
	for name, recs := range histories(t) {
		if len(recs) < 12 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "journal")
			third := len(recs) / 3
			for life := range 3 {
				k := keep(t, dir)
				part := recs[life*third : (life+1)*third]
				k.run()
				for i, rec := range part {
					k.append(rec)
					if i%5 == 3 {
						k.Now(t.Context())
						_, at, err := read(filepath.Join(dir, File))
						if err != nil || at.Bytes != k.file.Acknowledged() {
							t.Fatalf("life %d: after %d records of %d bytes the checkpoint ends at %+v, %v", life, i+1,
								k.file.Acknowledged(), at, err)
						}
					}
				}
				k.stop()
				for _, c := range Check(dir) {
					if c.Unused != nil || c.Unchecked != nil || len(c.Wrong) > 0 {
						t.Errorf("life %d: checkpoint %+v", life, c)
					}
				}
				w := written{dir: dir}
				if l := w.loads(t); l.From.Bytes == 0 || len(l.Unused) > 0 || l.Records > 5 {
					t.Errorf("life %d: loaded from %v and %d records, unused %v", life, l.From, l.Records, l.Unused)
				}
				if k.log.String() != "" {
					t.Errorf("the log says %s", k.log)
				}
			}
			if info, err := os.Stat(filepath.Join(dir, File)); err != nil || info.Mode() != 0o600 {
				t.Errorf("the checkpoint's mode is %v, %v; want that of segments", info.Mode(), err)
			}
			if _, err := os.Stat(filepath.Join(dir, OldFile)); err != nil {
				t.Error(err)
			}
			if n := strings.Count(names(t, dir), File); n != 2 {
				t.Errorf("%d files of checkpoints: %s", n, names(t, dir))
			}
		})
	}
}

// Nothing that is not acknowledged is in a checkpoint, though it can be read already.
func TestNoCheckpointIsAheadOfWhatIsAcknowledged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	k := keep(t, dir)
	recs := histories(t)["one"]
	k.append(recs[:3]...)
	acknowledged := k.file.Acknowledged()
	k.append(recs[3:]...)
	k.acknowledged = func() int64 { return acknowledged }
	k.run()
	k.Now(t.Context())
	if _, at, err := read(filepath.Join(dir, File)); err != nil || at.Bytes != acknowledged {
		t.Errorf("the checkpoint ends at %+v, %v; want byte %d", at, err, acknowledged)
	}
}

// A checkpoint is written only when the journal is durable up to its end, also where records are
// acknowledged that are not synced. If that does not work, there is none.
func TestACheckpointIsOfWhatIsSynced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	k := keep(t, dir)
	var synced journal.Mark
	full := fmt.Errorf("syncing: %w", unix.EIO)
	fails := true
	really := k.sync
	k.sync = func(at journal.Mark) error {
		synced = at
		if fails {
			return full
		}
		if _, before, err := read(filepath.Join(dir, File)); err == nil && before.Bytes >= at.Bytes {
			t.Errorf("a checkpoint ends at %v before the journal is synced up to %v", before, at)
		}
		return really(at)
	}
	recs := histories(t)["disturbed"]
	k.append(recs[:4]...)
	k.run()
	k.Now(t.Context())
	if _, err := os.Stat(filepath.Join(dir, File)); err == nil || !strings.Contains(k.log.String(), full.Error()) {
		t.Errorf("a checkpoint is there though the journal was not synced: %v, log %s", err, k.log)
	}
	fails = false
	for _, rec := range recs[4:20] {
		k.append(rec)
		k.Now(t.Context())
		_, at, err := read(filepath.Join(dir, File))
		if err != nil || at != synced || at.Bytes != k.file.Acknowledged() {
			t.Errorf("the checkpoint ends at %v, %v; the journal is synced up to %v", at, err, synced)
		}
	}
	if err := (journal.Mark{Segment: 99}).Sync(dir); err == nil {
		t.Error("a segment that is not there was synced")
	}
}

// A checkpoint that is wished for is made, and whoever wishes does not wait for it, also when the
// Keeper is not there.
func TestACheckpointThatIsWishedFor(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	k := keep(t, dir)
	made := make(chan journal.Mark, 1)
	really := k.sync
	k.sync = func(at journal.Mark) error { made <- at; return really(at) }
	k.append(histories(t)["disturbed"][:4]...)
	k.Wish()
	k.Wish() // as well
	k.run()
	if at := <-made; at.Bytes != k.file.Acknowledged() {
		t.Errorf("a checkpoint is made up to %v; want byte %d", at, k.file.Acknowledged())
	}
	k.stop()
	k.Wish()
}

// Whoever holds checkpoints waits for the one that is written, as long as they like, and no other
// is begun. A Keeper that is held ends all the same.
func TestCheckpointsAreHeld(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	k := keep(t, dir)
	writing, answer := make(chan bool, 1), make(chan bool)
	k.sync = func(journal.Mark) error { // a disk that does not answer
		writing <- true
		<-answer
		return nil
	}
	recs := histories(t)["disturbed"]
	k.append(recs[:4]...)
	k.run()
	asked, enough := context.WithCancel(t.Context())
	go k.Now(asked) // ended by enough
	<-writing
	enough()
	if k.Hold(asked) {
		t.Error("checkpoints are held while one is being written")
	}
	close(answer)
	if !k.Hold(t.Context()) {
		t.Fatal("checkpoints are not held when the one has been written")
	}
	if _, _, err := read(filepath.Join(dir, File)); err != nil {
		t.Error(err)
	}
	before := names(t, dir)
	k.append(recs[4:8]...)
	asked, enough = context.WithCancel(t.Context())
	go k.Now(asked) // ended by enough, or by stop
	defer enough()
	k.stop()
	if got := names(t, dir); got != before {
		t.Errorf("there are %s; want %s", got, before)
	}
}

// A checkpoint is made when the journal has grown by so much, and not before.
func TestACheckpointMustBeWorthIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	k := keep(t, dir)
	k.worth = keepBytes
	k.append(histories(t)["one"]...)
	k.run()
	k.Now(t.Context())
	if _, err := os.Stat(filepath.Join(dir, File)); err == nil {
		t.Errorf("a checkpoint was made of %d bytes", k.file.Acknowledged())
	}
}

// On a file system that is nearly full no checkpoint is made, which is told once; when there is
// space again, one is.
func TestCheckpointsGiveWay(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a small file system")
	}
	mount := t.TempDir()
	must(t, unix.Mount("none", mount, "tmpfs", 0, "size=2m"))
	t.Cleanup(func() { must(t, unix.Unmount(mount, 0)) })
	dir := filepath.Join(mount, "journal")
	k := keep(t, dir)
	recs := histories(t)["disturbed"]
	half := len(recs) / 2
	k.append(recs[:half]...)
	k.run()
	k.Now(t.Context())
	if _, err := os.Stat(filepath.Join(dir, File)); err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	ballast := filepath.Join(mount, "ballast")
	var free unix.Statfs_t
	must(t, unix.Statfs(mount, &free))
	must(t, os.WriteFile(ballast, make([]byte, int64(free.Bavail)*free.Bsize-16<<10), 0o600))
	for _, rec := range recs[half : half+3] {
		k.append(rec)
		k.Now(t.Context())
	}
	if got := names(t, dir); got != before {
		t.Errorf("there are %s; want %s", got, before)
	}
	if n := strings.Count(k.log.String(), "no checkpoint of the journal is made now"); n != 1 {
		t.Errorf("told %d times: %s", n, k.log)
	}
	must(t, os.Remove(ballast))
	k.append(recs[half+3])
	k.Now(t.Context())
	if !strings.Contains(k.log.String(), "made again\" missed=3") {
		t.Errorf("the end is not told: %s", k.log)
	}
	k.stop()
	w := written{dir: dir}
	if l := w.loads(t); l.Records != 0 {
		t.Errorf("%d records follow the checkpoint; want none", l.Records)
	}
}

// A journal that cannot be followed costs the checkpoints, and nothing else.
func TestKeeperOfAJournalThatIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	k := keep(t, dir)
	k.append(histories(t)["one"]...)
	must(t, os.Remove(filepath.Join(dir, "00000001.seg")))
	k.run()
	for range 2 {
		k.Now(t.Context())
	}
	if n := strings.Count(k.log.String(), "no more checkpoints"); n != 1 {
		t.Errorf("told %d times: %s", n, k.log)
	}
}

// What was left half written by a program that was killed is no checkpoint, and the next one
// removes it.
func TestAHalfWrittenCheckpointIsNone(t *testing.T) {
	w := disturbed(t)
	n := len(w.recs)
	w.put(t, OldFile, w.checkpoint(t, n/2))
	w.put(t, ".tmp-checkpoint-0123abcd", w.checkpoint(t, n)[:99])
	if l := w.loads(t); l.From != w.marks[n/2-1] || len(l.Unused) > 0 {
		t.Errorf("loaded from %v, unused %v", l.From, l.Unused)
	}
	k := keep(t, w.dir)
	k.run()
	k.append(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunEnded{RunEnded: &bulkheadv1.RunEnded{}}})
	k.Now(t.Context())
	if got := names(t, w.dir); strings.Contains(got, ".tmp") {
		t.Error(fmt.Sprint("left is ", got))
	}
}

// damageRecord flips a bit of the record that a mark is behind.
func damageRecord(t *testing.T, dir string, at journal.Mark) {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("%08d.seg", at.Segment))
	data, err := os.ReadFile(path)
	must(t, err)
	data[at.Offset-1] ^= 1
	must(t, os.WriteFile(path, data, 0o600))
}

// What a checkpoint spares a supervisor is read while it works: damage there is told.
func TestWhatWasSparedIsVerified(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		w := disturbed(t)
		w.put(t, File, w.checkpoint(t, len(w.recs)))
		if damaged {
			damageRecord(t, w.dir, w.marks[len(w.recs)/4])
		}
		loaded, err := Load(w.dir)
		if err != nil || loaded.File != File {
			t.Fatalf("loaded from %q, unused %v, %v", loaded.File, loaded.Unused, err)
		}
		log, told := new(lines), make(chan error, 1)
		k := NewKeeper(w.dir, loaded, func() int64 { return 0 }, slog.New(slog.NewTextHandler(log, nil)))
		k.Damaged = func(err error) { told <- err }
		k.verify(t.Context())
		select {
		case err := <-told:
			if !damaged || !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("damaged %v: told of %v", damaged, err)
			}
		default:
			if damaged {
				t.Error("nobody is told of the damage")
			}
		}
		if log.String() != "" {
			t.Errorf("the log says %s", log)
		}
	}
}

// A checkpoint that does not fit never takes the place of an older one that does.
func TestABadCheckpointIsNotKept(t *testing.T) {
	w := disturbed(t)
	n := len(w.recs)
	bad := w.checkpoint(t, n-1)
	bad[len(bad)/2] ^= 1
	w.put(t, File, bad)
	w.put(t, OldFile, w.checkpoint(t, n/2))
	k := keep(t, w.dir)
	k.run()
	k.append(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorPaused{
		SupervisorPaused: &bulkheadv1.SupervisorPaused{PausedNano: 1}}})
	k.Now(t.Context())
	k.stop()
	must(t, os.Remove(filepath.Join(w.dir, File)))
	if l := w.loads(t); l.File != OldFile || l.From != w.marks[n/2-1] {
		t.Errorf("loaded from %q, %v; want the older checkpoint; unused %v", l.File, l.From, l.Unused)
	}
}
