package isolation_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
)

// What the report says of the response of a load with a rate is the time from when each chunk was
// due, by a schedule that waits for no storage, to the end of its write, as strace(1) saw it: also
// where a write is held up, which strace does, and the chunks behind it wait.
func TestFiguresOfResponseAreOfTheSchedule(t *testing.T) {
	t.Parallel()
	const chunks, every = 128, 10 * time.Millisecond
	trace := filepath.Join(t.TempDir(), "trace")
	// strace counts by thread: so few threads write that one of them comes to its fifth.
	held := traced(t, trace, "-e inject=pwrite64:delay_exit=100000:when=5+10")
	s := start(t)
	c, err := harness.StartClient(held, shortFolder(t, "load"), s.Addr, "paced", "--runtime", "1m", "--total-size",
		"512KiB", "--consumers", "1",
		"--chunk-size", "4KiB", "--file-size", "128KiB", "--rate-chunks", "100", "--sync", "none", "--keep-files", "0",
		"--keep")
	expect.NoError(t, err)
	t.Cleanup(c.Kill)
	if code, err := c.Wait(patience); err != nil || code != 0 {
		t.Fatalf("the client ended with %d, %v:\n%s\n%s", code, err, &c.Stdout, &c.Stderr)
	}
	client := expect.Client(t, s.finish(exitComplete), "paced")
	calls, length := loadCalls(t, trace, "/consumer-0", c.Pid())
	first := slices.IndexFunc(calls, func(c tracedCall) bool { return strings.Contains(c.path, "/consumer-0/load-") })
	if first < 1 || !strings.HasSuffix(calls[first-1].path, "/consumer-0") {
		t.Fatalf("before the load files the trace has %+v; want that their folder was opened", calls[:max(first, 0)])
	}
	// The schedule begins after the folder is open and before the first file is.
	soonest, latest := calls[first-1].end(), calls[first].begin
	var due []tracedCall
	for i, c := range calls {
		if i < first || c.name != "pwrite64" {
			continue
		}
		at := time.Duration(len(due)) * every
		next := length
		if i < len(calls)-1 {
			next = calls[i+1].begin
		}
		due = append(due, tracedCall{inner: max(c.inner, c.end()-latest-at), outer: next - soonest - at})
	}
	if len(due) != chunks || client.Response == nil {
		t.Fatalf("strace saw %d chunks; want %d; the report says of the response %+v", len(due), chunks,
			client.Response)
	}
	latencyWithin(t, "response", *client.Response, due)
	if waited := slices.MaxFunc(due,
		func(a, b tracedCall) int { return int(a.inner - b.inner) }).inner; waited < 50*time.Millisecond {
		t.Errorf("no chunk waited for longer than %v: strace held none up", waited)
	}
}
