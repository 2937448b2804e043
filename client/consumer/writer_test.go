package consumer

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// newTestWriter returns a writer of real files in folder.
func newTestWriter(t testing.TB, folder string, chunk, file uint64) *writer {
	t.Helper()
	checked, err := newTask(request(folder, chunk, file, nil))
	if err != nil {
		t.Fatal(err)
	}
	j := newJob(checked, osDisk{}, newEnding())
	return &writer{
		task: checked, disk: osDisk{}, pool: openPool(t, int(chunk)), gauge: j.gauge, ledger: j.ledger,
		queue: j.queue, rotation: j.rotation, ending: j.ending,
	}
}

// TestWriteLoopDoesNotAllocate compares files of 1 and of 1001 chunks.
func TestWriteLoopDoesNotAllocate(t *testing.T) {
	for _, chunk := range []uint64{512, 4096, 65536} {
		w := newTestWriter(t, t.TempDir(), chunk, 1000*chunk)
		allocations := testing.AllocsPerRun(5, func() {
			f, err := w.create()
			if err != nil {
				t.Fatal(err)
			}
			if err := w.fill(f); err != nil {
				t.Fatal(err)
			}
			w.discard(f)
		})
		if allocations > 30 {
			t.Errorf("a file of 1000 chunks of %d bytes allocates %v times", chunk, allocations)
		}
	}
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
	if text := sum(messages).GetLastError(); !strings.Contains(text, "no space left on device") || !strings.Contains(text, folder) {
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
	w := newTestWriter(t, folder, 1000, 1000)
	if err := w.step(); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating a file that is there: %v", err)
	}
	if err := w.step(); err != nil {
		t.Errorf("the next file: %v", err)
	}
	if errs := w.rotation.removeAll(); len(errs) != 0 {
		t.Error(errs)
	}
	if content, err := os.ReadFile(foreign); err != nil || string(content) != "not ours" {
		t.Errorf("the foreign file: %q, %v", content, err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	folder := t.TempDir()
	w := newTestWriter(t, folder, 1000, 1000)
	if err := w.step(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(w.task.filePath(0))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
