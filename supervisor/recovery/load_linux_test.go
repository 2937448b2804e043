package recovery

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// bytesRead returns how many bytes of files the thread has read.
func bytesRead(t *testing.T) (n int64) {
	t.Helper()
	data, err := os.ReadFile("/proc/thread-self/io")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(data)) {
		if _, err := fmt.Sscanf(line, "rchar: %d", &n); err == nil {
			return n
		}
	}
	t.Fatalf("no rchar in %q", data)
	return 0
}

// A journal that is damaged behind its checkpoints is read once, from the newest on.
func TestADamagedTailIsReadOnce(t *testing.T) {
	recs := []*bulkheadv1.Record{
		{TimeUnixNano: 1, Entry: &bulkheadv1.Record_RunStarted{RunStarted: &bulkheadv1.RunStarted{RunId: "r"}}},
		opened(1, "a"), attachedBy(1, 1),
	}
	for len(recs) < 2000 {
		recs = append(recs, said(t, 1, uint64(60*(len(recs)-3)+1), uint64(60*(len(recs)-2))))
	}
	w := writeJournal(t, recs)
	n := len(recs)
	w.put(t, File, w.checkpoint(t, n/2))
	w.put(t, OldFile, w.checkpoint(t, n/4))
	damageRecord(t, w.dir, w.marks[n-100])
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := bytesRead(t)
	l, err := Load(w.dir)
	read := bytesRead(t) - before
	if !errors.Is(err, journal.ErrCorrupt) || l.From != w.marks[n/2-1] || l.End != w.marks[n-101] {
		t.Errorf("Load: %v, from %v to %v", err, l.From, l.End)
	}
	tail := w.marks[n-100].Bytes - w.marks[n/2-1].Bytes
	info, err := os.Stat(filepath.Join(w.dir, File))
	must(t, err)
	if most := tail + info.Size() + tail/4; read < tail || read > most { // headers, and what is read ahead
		t.Errorf("of a tail of %d bytes %d were read; want %d at most", tail, read, most)
	}
	t.Logf("%d bytes read of a tail of %d", read, tail)
}
