package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/client/names"
	"bulkhead/client/site"
	"bulkhead/internal/config/value"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Clients that can deliver nothing leave it in their working folders: beyond a bound none begins.
func TestWhatCannotBeDeliveredIsBounded(t *testing.T) {
	_, limits := machine(t)
	a := newAgent(Config{Limits: limits, Folders: &Folders{Work: t.TempDir()}})
	for i := range 4 {
		if kept := undelivered(a.clientDir()); kept != uint64(i)*256<<20 {
			t.Fatalf("%d bytes are undelivered", kept)
		}
		dir := filepath.Join(a.cfg.Folders.Work, fmt.Sprint(names.WorkDirPrefix, i))
		must(t, os.Mkdir(dir, 0o700))
		must(t, os.WriteFile(filepath.Join(dir, names.Spool), nil, 0o600))
		must(t, os.Truncate(filepath.Join(dir, names.Spool), 256<<20))
	}
	no := a.begin(&task{}, taskOf("path: /"), &need{})
	if no == nil || no.why != bulkheadv1.TaskRefusal_TASK_REFUSAL_NOT_STARTED ||
		!strings.Contains(no.text, "1GiB that they could not deliver") {
		t.Errorf("a task is refused as %v", no)
	}
}

// What clients left that were killed counts with what the next one takes up, where it is and above.
func TestWhatKilledClientsLeftCounts(t *testing.T) {
	root, limits := machine(t)
	limits.Allowances[1].Bytes = uint64(value.MiB)
	load := func(path string) *bulkheadv1.Task {
		return taskOf("path: " + root + path + "\nconsumer_count: 1\nfile_size: 200KiB\nchunk_size: 4KiB")
	}
	one, no := limits.check(load("/allowed/inner"), nil)
	if no != nil || one.held[root+"/allowed"] != 800<<10 || one.held[root+"/allowed/inner"] != 800<<10 {
		t.Fatalf("the load takes up %v: %v", one, no)
	}
	if _, no := limits.check(load("/allowed/inner/other"), []*need{&one}); no == nil ||
		no.why != bulkheadv1.TaskRefusal_TASK_REFUSAL_TOO_LARGE || !strings.Contains(no.text, "beside the 800KiB of") {
		t.Errorf("beside what was left it is refused as %v", no)
	}
	if _, no := limits.check(load("/allowed"), []*need{&one}); no != nil {
		t.Errorf("where there is room it is refused as %v", no)
	}
	limits.Allowances[0].Bytes = 1 << 20
	if _, no := limits.check(load("/allowed"), []*need{&one}); no == nil {
		t.Error("a folder in a folder does not count above")
	}
}

// A folder that a worker of a killed client is about to remove is still its client's; one that nobody
// removes holds nothing up.
func TestAFolderWithoutARecord(t *testing.T) {
	root, limits := machine(t)
	a := newAgent(Config{Limits: limits, Logger: slog.New(slog.DiscardHandler), Folders: &Folders{Work: root}})
	allowed, folder := filepath.Join(root, "allowed", "load"), "bulkhead-a-0123abcd"
	must(t, os.MkdirAll(filepath.Join(allowed, folder), 0o700))
	n := &need{paths: map[string]string{allowed: filepath.Join(root, "allowed")}}
	if err := a.sweepOnce(n, 1); !errors.Is(err, site.ErrNoRecord) {
		t.Errorf("it is swept: %v", err)
	}
	select {
	case <-a.clear(n, 1, t.TempDir()):
	case <-time.After(time.Minute):
		t.Error("it is waited for without end")
	}
	must(t, os.Remove(filepath.Join(allowed, folder)))
	must(t, a.sweepOnce(n, 1))
}
