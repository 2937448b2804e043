package isolation_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/supervisor/report"
)

// limitedGroup makes a control group that may use 20 ms of processor time in every 100 ms.
func limitedGroup(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("bulkhead-test-throttled-%d", os.Getpid())
	for _, of := range []struct{ folder, file, limit string }{
		{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "20000"}, {"/sys/fs/cgroup", "cpu.max", "20000 100000"},
	} {
		group := filepath.Join(of.folder, name)
		if err := os.Mkdir(group, 0o755); err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(group, of.file), []byte(of.limit), 0); err != nil {
			expect.NoError(t, os.Remove(group))
			continue
		}
		t.Cleanup(func() {
			expect.Eventually(t, func() error { return os.Remove(group) }) // when its processes are gone
		})
		return group
	}
	t.Skip("no control group with a limit of processor time can be made here")
	return ""
}

// A client in a control group that uses up its processor time: its monitor sees it, and the report
// says so in every format that has findings.
func TestALimitOfProcessorTimeIsFound(t *testing.T) {
	t.Parallel()
	group := limitedGroup(t)
	inside := shortFolder(t, "bin") // the client is in the group before it is the client
	expect.NoError(t, harness.WriteProgram(filepath.Join(inside, "bulkhead"), fmt.Appendf(nil,
		"#!/bin/sh\necho $$ >%s/cgroup.procs && exec %s/bulkhead \"$@\"\n", group, bin)))
	s := start(t)
	c, err := harness.StartClient(inside, shortFolder(t, "load"), s.Addr, "limited", "--runtime", "5s",
		"--consumers", "1", "--chunk-size", "4KiB", "--file-size", "1MiB", "--sync", "none")
	expect.NoError(t, err)
	t.Cleanup(c.Kill)
	if code, err := c.Wait(patience); err != nil || code != 0 {
		t.Fatalf("the client ended with %d, %v:\n%s\n%s", code, err, &c.Stdout, &c.Stderr)
	}
	rep := s.finish(exitComplete)
	limits := expect.Client(t, rep, "limited").Machine.Limits
	if len(limits) == 0 || limits[0].Group != "/"+filepath.Base(group) || limits[0].QuotaNano != 20e6 ||
		limits[0].ThrottledPeriods == 0 || limits[0].ThrottledPeriods > limits[0].Periods {
		t.Fatalf("the limits of the client are %+v", limits)
	}
	found := 0
	for _, f := range rep.Findings {
		if f.Kind == report.FindingThrottled {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d findings that its time was used up, in %+v", found, limits)
	}
	for _, format := range []string{"text", "json", "markdown", "html"} {
		out := output(t, 0, "report", s.RunDir, "--format", format)
		if !bytes.Contains(out, []byte("was throttled: its")) {
			t.Errorf("the report as %s does not say so", format)
		}
	}
}
