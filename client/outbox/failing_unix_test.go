package outbox

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A spool that cannot be truncated, as on a file system that has become read-only, loses no message.
func TestASpoolThatCannotBeTruncatedLosesNothing(t *testing.T) {
	const messages = 12
	path := filepath.Join(t.TempDir(), "spool")
	box := New(scripted.TestHello(), 300, 1<<20, path)
	for i := range messages {
		if err := box.Add(scripted.Note(i, 50)); err != nil {
			t.Fatal(err)
		}
	}
	readable, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	box.Spool.File.Close()
	box.Spool.File = readable
	if err := box.Spool.truncate(0); err == nil {
		t.Fatal("a file that is open for reading alone was truncated")
	}
	limits := &bulkheadv1.Limits{MaxFrameBytes: 1 << 20, MaxBatchMessages: 3, MaxUnackedBatches: 1}
	var sent []int
	for box.State().Acked < messages-3 {
		frame, err := box.Take(limits)
		if err != nil || frame == nil {
			t.Fatalf("after %v: %v, %v", sent, frame, err)
		}
		batch, err := scripted.BatchIn(frame)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range batch.GetMessages() {
			sent = append(sent, scripted.NoteOf(m))
		}
		if err := box.Ack(uint64(len(sent))); err != nil {
			t.Fatalf("after %v: %v", sent, err)
		}
	}
	left, err := box.Close()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(left)
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Clone(sent)
	summary, err := readSpool(bytes.NewReader(data), func(m *bulkheadv1.Message) error {
		all = append(all, scripted.NoteOf(m))
		return nil
	})
	if err != nil || summary.Damage != "" || len(all) != messages || !slices.IsSorted(all) {
		t.Errorf("sent %v, and with what is kept %v (%s, %v); want all %d", sent, all, summary.Damage, err, messages)
	}
}

// cutOffFolder is set for the process in which files may have no more than cutOffBytes.
const cutOffFolder, cutOffBytes = "OUTBOX_TEST_CUT_OFF", 100_000

// A write that found no room to the end leaves nothing behind the messages that follow: whoever reads
// the spool of a client that was killed finds all of it whole.
func TestAWriteThatWasCutOffIsNoDamage(t *testing.T) {
	if folder := os.Getenv(cutOffFolder); folder != "" {
		cutOff(t, folder)
		return
	}
	folder := t.TempDir()
	one := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAWriteThatWasCutOffIsNoDamage$")
	one.Env = append(os.Environ(), cutOffFolder+"="+folder)
	if out, err := one.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(folder, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	summary, err := readSpool(bytes.NewReader(data), func(*bulkheadv1.Message) error { return nil })
	if err != nil || summary.Damage != "" || summary.Messages < 5 {
		t.Errorf("%d messages, %s, %v; want some, and no damage", summary.Messages, summary.Damage, err)
	}
}

// cutOff fills a spool until a write is cut off, adds a shorter message, and dies as it is.
func cutOff(t *testing.T, folder string) {
	signal.Ignore(unix.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: cutOffBytes, Max: cutOffBytes}); err != nil {
		t.Fatal(err)
	}
	box := New(scripted.TestHello(), 10, 1<<20, filepath.Join(folder, "spool"))
	for {
		if err := box.Add(scripted.Note(0, 20_000)); err != nil {
			if !errors.Is(err, unix.EFBIG) {
				t.Fatal(err)
			}
			break
		}
	}
	if err := box.Add(scripted.Note(0, 100)); err != nil {
		t.Fatal(err)
	}
}
