package isolation_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
)

// TestPathsThatAreNoText loads a folder whose name is not UTF-8, which Linux allows: the
// files are where they were asked for, and every output names them in text that can be
// read.
func TestPathsThatAreNoText(t *testing.T) {
	t.Parallel()
	const name, shown = "lo'ad\xff\xc3(", `lo'ad\xff\xc3(`
	dir := shortFolder(t, name)
	s := start(t)
	c, err := harness.StartClient(bin, dir, s.Addr, "odd", "--runtime", "2s", "--consumers", "1", "--chunk-size",
		"4KiB", "--file-size", "64KiB",
		"--rate-bytes", "256KiB", "--verify", "at-rollover", "--keep")
	expect.NoError(t, err)
	t.Cleanup(c.Kill)
	if code, err := c.Wait(patience); err != nil || code != 0 {
		t.Fatalf("the client ended with %d, %v:\n%s\n%s", code, err, &c.Stdout, &c.Stderr)
	}
	if !strings.Contains(c.Stdout.String(), shown) {
		t.Errorf("the client printed %q; want where its files are", &c.Stdout)
	}
	files, err := filepath.Glob(filepath.Join(dir, "bulkhead-odd-*", "consumer-0", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no file below %q: %v", dir, err)
	}

	rep := s.finish(exitComplete)
	if p := expect.Client(t, rep, "odd").Workload.Consumers[0].Path; !strings.Contains(p, "/"+shown+"/") {
		t.Errorf("the workload's path is %q; want %q in it", p, shown)
	}
	for format, want := range map[string]string{
		"json": strings.ReplaceAll(shown, `\`, `\\`), "html": "", "text": "", "csv": "", "markdown": "", "junit": "",
	} {
		out := output(t, 0, "report", s.RunDir, "--format", format)
		if !utf8.Valid(out) {
			t.Errorf("the report as %s is not UTF-8", format)
		}
		if !strings.Contains(string(out), want) {
			t.Errorf("the report as %s does not have %q", format, want)
		}
	}
	if text := output(t, 0, "verify", dir); !strings.Contains(string(text), "VERIFIED: ") ||
		!strings.Contains(string(text), shown) {
		t.Errorf("verify says %q", text)
	}

	// A block that is damaged is named by its file, in text and in JSON.
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	expect.NoError(t, err)
	_, err = f.WriteAt([]byte("damaged"), 4096+512)
	expect.NoError(t, err)
	expect.NoError(t, f.Close())
	var found struct {
		Verdict string `json:"verdict"`
		Files   []struct {
			Path string `json:"path"`
		} `json:"files"`
	}
	expect.NoError(t, json.Unmarshal(output(t, 3, "verify", "--json", dir), &found))
	if found.Verdict != "corrupt" || len(found.Files) != 1 || !strings.Contains(found.Files[0].Path, shown) {
		t.Errorf("verify --json says %+v; want the one file that is corrupt", found)
	}
}

// TestAResendCommandThatAShellReads leaves a spool in a folder whose name is not UTF-8. The
// command that the client prints delivers it as it is.
func TestAResendCommandThatAShellReads(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	dir := shortFolder(t, "wo'rk\\\xff")
	s := start(t)
	c, err := harness.StartClient(bin, dir, s.Addr, "odd", "--runtime", "1m", "--consumers", "1", "--chunk-size",
		"4KiB", "--file-size", "4KiB",
		"--rate-bytes", "256KiB", "--deliver-timeout", "1ns")
	expect.NoError(t, err)
	t.Cleanup(c.Kill)
	_, err = s.Await(patience, func(l harness.LogLine) bool { return l.Text("msg") == "client joined" })
	expect.NoError(t, err)
	expect.Eventually(t, func() error { // the client is in its load, whose end nobody acknowledges
		if c := s.session("odd"); c.GetDurableSeq() == 0 {
			return errors.New(c.String())
		}
		return nil
	})
	thaw := freeze(t, s.Pid())
	expect.NoError(t, c.Signal(syscall.SIGTERM))
	if _, err := c.Wait(patience); err != nil {
		t.Fatal(err)
	}
	thaw()
	_, command, ok := strings.Cut(c.Stdout.String(), "deliver them with: bulkhead ")
	if !ok {
		t.Fatalf("the client printed no command:\n%s\n%s", &c.Stdout, &c.Stderr)
	}
	command, _, _ = strings.Cut(command, "\n")
	cmd := exec.Command(shell, "-c", filepath.Join(bin, "bulkhead")+" "+command)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	s.finish(4)
}

// shortFolder makes a folder of that name whose path is short enough for sockets.
func shortFolder(t *testing.T, name string) string {
	t.Helper()
	parent, err := os.MkdirTemp("", "bh-")
	expect.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(parent) })
	dir := filepath.Join(parent, name)
	expect.NoError(t, os.Mkdir(dir, 0o700))
	return dir
}

// output runs a command of ours and returns what it printed.
func output(t *testing.T, code int, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "bulkhead"), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		t.Fatalf("bulkhead %q: %v, exit status %d; want %d\n%s", args, err, cmd.ProcessState.ExitCode(), code, &stderr)
	}
	return out
}
