package isolation_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/supervisor/report"
)

// tracedCall is a system call that has returned, as strace(1) saw it. Its times are by the
// monotonic clock, since the trace began.
type tracedCall struct {
	name, path   string
	result       uint64
	begin, inner time.Duration // inner is how long it took between its two stops
	outer        time.Duration // from the end of the call before it to the begin of the one after it
}

func (c tracedCall) end() time.Duration { return c.begin + c.inner }

var (
	traceLine = regexp.MustCompile(`^(\d+) +(\d+)\.(\d{9}) (.*)$`)
	traceCall = regexp.MustCompile(`^(\w+)\((?:\w+<([^>]*)>)?.* = (-?\d+)(?:<([^>]*)>)?.* <(\d+)\.(\d{9})>$`)
)

// traced writes a program into a folder, which it returns: a bulkhead that strace(1) follows,
// with all its children, and with further flags. The trace is in the file.
func traced(t *testing.T, file, flags string) string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	// -D: the program is the process that was started, and strace another one.
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' -D -f --seccomp-bpf -y -s 0 --relative-timestamps=ns "+
		"--syscall-times=ns -e signal=none -e trace='%s' -o '%s' %s '%s' \"$@\"\n", strace,
		"openat,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range,close", file, flags,
		filepath.Join(bin, "bulkhead"))
	expect.NoError(t, harness.WriteProgram(filepath.Join(dir, "bulkhead"), []byte(script)))
	return dir
}

// loadCalls returns the calls on files whose path has that text in it, in order, and how long
// the trace is. Exactly one goroutine must have made them.
func loadCalls(t *testing.T, file, in string, client int) (calls []tracedCall, length time.Duration) {
	t.Helper()
	var data []byte
	expect.Eventually(t, func() (err error) { // strace writes on after what it traced has ended
		if data, err = os.ReadFile(file); err == nil &&
			!regexp.MustCompile(fmt.Sprintf(`(?m)^%d .*\+\+\+ exited with`, client)).Match(data) {
			err = errors.New("the trace does not tell the client's end")
		}
		return err
	})
	type begun struct {
		text string
		at   time.Duration
	}
	pending := make(map[string]begun) // by thread
	for line := range strings.Lines(string(data)) {
		m := traceLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Fatalf("the trace has %q", line)
		}
		length += nanoseconds(t, m[2], m[3])
		thread, text, at := m[1], m[4], length
		if before, ok := strings.CutSuffix(text, " <unfinished ...>"); ok {
			pending[thread] = begun{before, at}
			continue
		}
		if _, rest, ok := strings.Cut(text, " resumed>"); ok && strings.HasPrefix(text, "<... ") {
			text, at = pending[thread].text+rest, pending[thread].at
		}
		c := traceCall.FindStringSubmatch(text)
		if c == nil || strings.HasPrefix(c[3], "-") {
			continue // an exit, or a call that failed
		}
		call := tracedCall{name: c[1], path: c[2], begin: at, inner: nanoseconds(t, c[5], c[6])}
		if call.name == "openat" {
			call.path = c[4]
		}
		call.result, _ = strconv.ParseUint(c[3], 10, 64)
		if strings.Contains(call.path, in) {
			calls = append(calls, call)
		}
	}
	slices.SortFunc(calls, func(a, b tracedCall) int { return int(a.begin - b.begin) })
	for i := range calls {
		from, to := time.Duration(0), length
		if i > 0 {
			from = calls[i-1].end()
		}
		if i < len(calls)-1 {
			to = calls[i+1].begin
		}
		calls[i].outer = to - from
	}
	return calls, length
}

func nanoseconds(t *testing.T, seconds, nanos string) time.Duration {
	t.Helper()
	s, err := strconv.ParseInt(seconds+nanos, 10, 64)
	expect.NoError(t, err)
	return time.Duration(s)
}

// within checks a figure that was measured between two brackets.
func within(t *testing.T, what string, got int64, inner, outer time.Duration) {
	t.Helper()
	if time.Duration(got) < inner || time.Duration(got) > outer {
		t.Errorf("the report says of %s %v; it was at least %v and at most %v", what, time.Duration(got), inner, outer)
	}
}

// latencyWithin checks each figure of a latency against the calls it is of. A program measures
// from before to after its call, so longer than strace, and what it measures is no longer than
// from the call before to the one after.
func latencyWithin(t *testing.T, what string, got report.Latency, calls []tracedCall) {
	t.Helper()
	if got.Count != uint64(len(calls)) || len(calls) == 0 {
		t.Fatalf("the report has %d times of %s; strace saw %d", got.Count, what, len(calls))
	}
	var inner, outer []time.Duration
	var innerSum, outerSum time.Duration
	for _, c := range calls {
		inner, outer = append(inner, c.inner), append(outer, c.outer)
		innerSum, outerSum = innerSum+c.inner, outerSum+c.outer
	}
	slices.Sort(inner)
	slices.Sort(outer)
	n := time.Duration(len(calls))
	within(t, "the mean of "+what, got.MeanNano, innerSum/n, outerSum/n)
	within(t, "the shortest "+what, got.MinNano, inner[0], outer[0])
	within(t, "the longest "+what, got.MaxNano, inner[n-1], outer[n-1])
	for _, p := range []struct {
		thousandths int
		nano        int64
	}{{500, got.P50Nano}, {900, got.P90Nano}, {990, got.P99Nano}, {999, got.P999Nano}} {
		rank := (len(calls)*p.thousandths + 999) / 1000
		// A percentile is up to 0.1 % above the true one.
		within(t, fmt.Sprintf("percentile %g of %s", float64(p.thousandths)/10, what), p.nano, inner[rank-1],
			outer[rank-1]+outer[rank-1]/1000+1)
	}
}

// What the report says of what was written is what strace(1) saw of the calls, and what is
// on the disk.
func TestFiguresOfWritesAreThoseOfTheKernel(t *testing.T) {
	t.Parallel()
	const total = 8 << 20
	dir := shortFolder(t, "load")
	trace := filepath.Join(t.TempDir(), "trace")
	s := start(t)
	before := time.Now()
	c, err := harness.StartClient(traced(t, trace, ""), dir, s.Addr, "traced", "--runtime", "5m", "--total-size",
		"8MiB", "--consumers", "1",
		"--chunk-size", "4KiB", "--file-size", "256KiB", "--sync", "file", "--keep-files", "0", "--keep")
	expect.NoError(t, err)
	t.Cleanup(c.Kill)
	if code, err := c.Wait(patience); err != nil || code != 0 {
		t.Fatalf("the client ended with %d, %v:\n%s\n%s", code, err, &c.Stdout, &c.Stderr)
	}
	client := expect.Client(t, s.finish(exitComplete), "traced")
	whole := time.Since(before)
	calls, length := loadCalls(t, trace, "/consumer-0/load-", c.Pid())
	if len(calls) == 0 {
		t.Fatal("strace saw no call on a load file")
	}

	byName, byFile := make(map[string][]tracedCall), make(map[string][]tracedCall)
	for _, call := range calls {
		if strings.HasPrefix(call.name, "fsync") || strings.HasPrefix(call.name, "fdatasync") {
			call.name = "sync"
		}
		if strings.Contains(call.name, "write") {
			call.name = "write"
		}
		byName[call.name] = append(byName[call.name], call)
		byFile[call.path] = append(byFile[call.path], call)
	}
	var bytes uint64
	for _, w := range byName["write"] {
		bytes += w.result
	}
	w := client.Writes
	if w.Bytes != bytes || w.Chunks != uint64(len(byName["write"])) || bytes != total {
		t.Errorf("the report says %d bytes in %d chunks; strace saw %d bytes in %d", w.Bytes, w.Chunks, bytes,
			len(byName["write"]))
	}
	if n := uint64(len(byFile)); w.Files != n || w.PartialFiles != 0 || len(byName["openat"]) != len(byFile) {
		t.Errorf("the report says %d files, %d of them partial; strace saw %d", w.Files, w.PartialFiles, n)
	}
	latencyWithin(t, "chunk write", w.ChunkWrite, byName["write"])
	phases := map[string]*report.Latency{"openat": w.Phases.Create, "sync": w.Phases.Sync, "close": w.Phases.Close}
	for name, l := range phases {
		if l == nil {
			t.Fatalf("the report has no times of %s", name)
		}
		latencyWithin(t, name, *l, byName[name])
	}
	first, last := calls[0], calls[len(calls)-1]
	within(t, "the time of writing", w.WritingNano, last.end()-first.begin, length)
	within(t, "the load's length", client.RuntimeReachedNano, byName["write"][len(byName["write"])-1].end()-first.begin,
		length)
	within(t, "the client's runtime", client.RuntimeNano, last.end()-first.begin, whole)
	perSecond := func(d time.Duration) uint64 { return uint64(float64(bytes) / d.Seconds()) }
	if most, least := perSecond(last.end()-first.begin), perSecond(length); w.BytesPerSecond < least ||
		w.BytesPerSecond > most+1 {
		t.Errorf("the report says %d bytes a second; it was at least %d and at most %d", w.BytesPerSecond, least, most)
	}
	rolloversAreThere(t, consumerOf(t, client), byFile)
}

// consumerOf returns the only consumer of a client.
func consumerOf(t *testing.T, c *report.Client) *report.Process {
	t.Helper()
	i := slices.IndexFunc(c.Processes, func(p report.Process) bool { return p.Kind == "consumer" })
	if i < 0 {
		t.Fatal("the report has no consumer")
	}
	return &c.Processes[i]
}

// rolloversAreThere checks each finished file against the calls on it and against the file.
func rolloversAreThere(t *testing.T, p *report.Process, byFile map[string][]tracedCall) {
	t.Helper()
	if len(p.Rollovers.List) != len(byFile) {
		t.Errorf("the report lists %d files; strace saw %d", len(p.Rollovers.List), len(byFile))
	}
	var sum uint64
	for _, r := range p.Rollovers.List {
		info, err := os.Stat(r.Path)
		expect.NoError(t, err)
		sum += uint64(info.Size())
		var written, chunks uint64
		inner, outer := make(map[string]time.Duration), make(map[string]time.Duration)
		for _, c := range byFile[r.Path] {
			if c.name == "write" {
				written, chunks = written+c.result, chunks+1
			}
			inner[c.name], outer[c.name] = inner[c.name]+c.inner, outer[c.name]+c.outer
		}
		if r.SizeBytes != uint64(info.Size()) || r.SizeBytes != written || r.Chunks != chunks {
			t.Errorf("the report says of %s %d bytes in %d chunks; strace saw %d in %d, and it has %d", r.Path,
				r.SizeBytes, r.Chunks, written, chunks, info.Size())
		}
		for name, nano := range map[string]int64{"openat": r.CreateNano, "write": r.WriteNano, "sync": r.SyncNano,
			"close": r.CloseNano} {
			within(t, name+" of "+r.Path, nano, inner[name], outer[name])
		}
	}
	if p.Rollovers.Bytes != sum {
		t.Errorf("the report says that the finished files have %d bytes; they have %d", p.Rollovers.Bytes, sum)
	}
}
