package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// Both wall clocks are set in mid-run, an hour apart in each direction, in real programs
// whose time.Now obeys. No figure notices; the report says it.
func TestFiguresDoNotHangOnTheWallClock(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program with a clock of its own")
	}
	t.Parallel()
	built := filepath.Join(t.TempDir(), "built")
	expect.NoError(t, os.Mkdir(built, 0o755))
	expect.NoError(t, harness.BuildSteppable(built))
	bin := make(map[string]string)
	for _, side := range []string{"supervisor", "client"} { // each machine has a clock
		bin[side] = filepath.Join(t.TempDir(), side)
		expect.NoError(t, os.Mkdir(bin[side], 0o755))
		for _, program := range []string{"bulkhead", "bulkhead-handler"} {
			content, err := os.ReadFile(filepath.Join(built, program))
			expect.NoError(t, err)
			expect.NoError(t, harness.WriteProgram(filepath.Join(bin[side], program), content))
		}
	}

	began := time.Now()
	s, err := harness.StartSupervisor(bin["supervisor"], filepath.Join(t.TempDir(), "state"), "--clients", "1",
		"--linger", "0s")
	expect.NoError(t, err)
	t.Cleanup(s.Kill)
	load, err := os.MkdirTemp("", "bulkhead-") // sockets need a short path
	expect.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(load) })
	clientBegan := time.Now()
	c, err := harness.StartClient(bin["client"], load, s.Addr, "a", "--runtime", "6s", "--consumers", "2",
		"--chunk-size", "64KiB", "--file-size", "1MiB", "--sync", "none", "--keep-files", "2")
	expect.NoError(t, err)
	t.Cleanup(c.Kill)

	// The clocks are set once the report so far has some of the load.
	soFar := func() *report.Report {
		rep, err := fold.FromJournal(filepath.Join(s.RunDir, "journal"))
		if err != nil {
			return &report.Report{}
		}
		return rep
	}
	var before uint64
	expect.Eventually(t, func() error {
		rep := soFar()
		if before = rep.Totals.Bytes; before == 0 || rep.Totals.WritingNano < int64(2*time.Second) {
			select {
			case <-c.Done():
				t.Fatalf("the client has ended:\n%s%s", c.Stdout.String(), c.Stderr.String())
			default:
			}
			return fmt.Errorf("%d bytes in %s", before, time.Duration(rep.Totals.WritingNano))
		}
		return nil
	})
	expect.NoError(t, harness.SetWallClock(bin["client"], -3600))
	expect.NoError(t, harness.SetWallClock(bin["supervisor"], 3600))

	status, err := c.Wait(patience)
	expect.NoError(t, err)
	clientLived := time.Since(clientBegan)
	code, err := s.Wait(patience)
	expect.NoError(t, err)
	lived := time.Since(began)
	if status != 0 || code != exitComplete {
		t.Errorf("the client ended with %d and the supervisor with %d\n%s\n%s", status, code, c.Stderr.String(),
			s.Log())
	}

	rep := soFar()
	if rep.Totals.Bytes <= before {
		t.Fatalf("nothing was written after the clocks were set: %d bytes before, %d in all", before, rep.Totals.Bytes)
	}
	one := expect.Client(t, rep, "a")
	for what, d := range map[string]struct{ nano, most int64 }{
		"the run":                 {rep.Run.LengthNano, int64(lived)},
		"the writing":             {rep.Totals.WritingNano, int64(clientLived)},
		"the writing of a":        {one.WritingNano, int64(clientLived)},
		"a's runtime":             {one.RuntimeNano, int64(clientLived)},
		"the axis":                {int64(rep.Series.EndAt - rep.Series.StartAt), int64(lived)},
		"the connection's begin":  {int64(one.Connections[0].AttachedAt - rep.Run.StartedAt), int64(lived)},
		"a's end after its begin": {int64(one.EndedAt - one.OpenedAt), int64(lived)},
	} {
		if d.nano < 0 || d.nano > d.most+int64(time.Second) {
			t.Errorf("%s took %s by the report, and at most %s by the test", what, time.Duration(d.nano),
				time.Duration(d.most))
		}
	}
	if one.WritingNano < int64(2*time.Second) {
		t.Errorf("the writing of a took %s; the runtime was 6s", time.Duration(one.WritingNano))
	}
	if least := float64(rep.Totals.Bytes) / (clientLived.Seconds() + 1); float64(rep.Totals.BytesPerSecond) < least ||
		float64(rep.Totals.BytesPerSecond) > 3*least {
		t.Errorf("the rate is %d bytes/s; %d bytes were written in less than %s", rep.Totals.BytesPerSecond,
			rep.Totals.Bytes, clientLived)
	}
	for i := range one.Processes {
		if p := &one.Processes[i]; p.RuntimeNano > int64(clientLived+time.Second) || p.RuntimeNano <= 0 {
			t.Errorf("%s %d ran for %s, within %s", p.Kind, p.Index, time.Duration(p.RuntimeNano), clientLived)
		}
	}
	var said []string
	for _, f := range rep.Findings {
		if f.Kind == report.FindingClockStep {
			said = append(said, f.Text)
		}
	}
	text := strings.Join(said, "\n")
	for _, part := range []string{"the supervisor's clock stepped by +1h00m00s at ",
		"the clock of client a stepped by -1h00m00s at "} {
		if !strings.Contains(text, part) {
			t.Errorf("no finding says %q:\n%s", part, text)
		}
	}
	if strings.Contains(c.Stdout.String(), "1h") {
		t.Errorf("the client's own result knows of an hour:\n%s", c.Stdout.String())
	}
}
