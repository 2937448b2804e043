package consumer

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/client/consumer/disk"
	"bulkhead/client/names"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// newTestWriter returns a writer of real files in folder.
func newTestWriter(t testing.TB, folder string, chunk, file uint64, edit func(*bulkheadv1.ConsumerTask)) *writer {
	t.Helper()
	checked, err := newTask(request(folder, chunk, file, edit))
	if err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	j := newJob(checked, d, newEnding())
	if err := j.prepare(); err != nil {
		t.Fatal(err)
	}
	writers, sources, err := j.newWriters()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sources.Close(); err != nil {
			t.Error(err)
		}
	})
	w := writers[0]
	w.clock, w.stage = newClock(time.Now(), j.ending, nap), w.stages.at(0)
	return w
}

// writeOne writes a file as step does, but leaves it in place and is ready to have it
// discarded.
func writeOne(t testing.TB, w *writer) *loadFile {
	t.Helper()
	turn, _ := w.rotation.next(nil)
	f := &loadFile{turn: turn, stage: w.stage, name: names.LoadFile(turn.number), target: w.layout.Begin()}
	if err := w.source.Begin(w.task.blockFile(f)); err != nil {
		t.Fatal(err)
	}
	if err := w.open(f); err != nil {
		t.Fatal(err)
	}
	if err := w.fill(f); err != nil {
		t.Fatal(err)
	}
	return f
}

// removeOne closes a file and removes it.
func removeOne(t testing.TB, w *writer, f *loadFile) {
	t.Helper()
	w.discard(f)
	if err := w.disk.Remove(f.name); err != nil {
		t.Fatal(err)
	}
	f.spoiled = true
	w.rotation.left(f.turn)
}

// TestWriteLoopDoesNotAllocate writes files of 1000 chunks, in every way of which a
// chunk may know.
func TestWriteLoopDoesNotAllocate(t *testing.T) {
	for name, edit := range map[string]func(*bulkheadv1.ConsumerSpec){
		"plain":  func(*bulkheadv1.ConsumerSpec) {},
		"sizes":  func(s *bulkheadv1.ConsumerSpec) { s.ChunkSizes = weights(512, 3, 4096, 1) },
		"random": func(s *bulkheadv1.ConsumerSpec) { s.Pattern = bulkheadv1.Pattern_PATTERN_RANDOM },
		"synced": func(s *bulkheadv1.ConsumerSpec) { s.Sync = bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK },
		"rate":   func(s *bulkheadv1.ConsumerSpec) { s.RateBytesPerSecond, s.ReserveBytes = 1<<40, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTestWriter(t, t.TempDir(), 4096, 4096_000, func(task *bulkheadv1.ConsumerTask) { edit(task.Spec) })
			allocations := testing.AllocsPerRun(3, func() { removeOne(t, w, writeOne(t, w)) })
			if allocations > 50 {
				t.Errorf("a file of 1000 chunks allocates %v times", allocations)
			}
		})
	}
}

// weights returns sizes, each with the weight behind it.
func weights(pairs ...uint64) []*bulkheadv1.WeightedSize {
	var list []*bulkheadv1.WeightedSize
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, &bulkheadv1.WeightedSize{SizeBytes: pairs[i], Weight: uint32(pairs[i+1])})
	}
	return list
}

// TestFullFileSystem fills a real one, of 1 MiB, and makes room again.
func TestFullFileSystem(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("bulkhead-test", folder, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := folder + "/ballast"
	if err := os.WriteFile(ballast, make([]byte, 900<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, dial(t, New(Options{})), request(folder, 4096, 200<<10, nil))
	p.until("error", func(m []*bulkheadv1.Message) bool { return sum(m).GetErrors() > 0 })
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	p.untilFiles(5)
	p.kill(0)
	messages := p.orderlyEnd()
	if text := sum(messages).GetLastError(); !strings.Contains(text, "no space left on device") ||
		!strings.Contains(text, folder) {
		t.Errorf("the error is told as %q", text)
	}
	if names := entries(t, folder); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
}

func TestCreateDoesNotTakeOverAFile(t *testing.T) {
	folder := t.TempDir()
	foreign := folder + "/load-00000000.dat"
	if err := os.WriteFile(foreign, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newTestWriter(t, folder, 1000, 1000, nil)
	if err := w.step(); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating a file that is there: %v", err)
	}
	if err := w.step(); err != nil {
		t.Errorf("the next file: %v", err)
	}
	if content, err := os.ReadFile(foreign); err != nil || string(content) != "not ours" {
		t.Errorf("the foreign file: %q, %v", content, err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	folder := t.TempDir()
	w := newTestWriter(t, folder, 1000, 1000, nil)
	if err := w.step(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(folder + "/" + names.LoadFile(0))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
