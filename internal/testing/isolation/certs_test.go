package isolation_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/supervisor/report/fold"
)

// TestTheCommandsOfTheReadme has a shell run the commands of README.md, on one machine: certificates, and
// TLS by two commands.
func TestTheCommandsOfTheReadme(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	text, err := os.ReadFile("../../../README.md")
	expect.NoError(t, err)
	_, section, _ := strings.Cut(string(text), "\n## On several machines\n")
	block := strings.SplitN(section, "```", 3)[1]
	dir := shortFolder(t, "readme")
	command := func(begin string, change ...string) *exec.Cmd {
		t.Helper()
		_, rest, ok := strings.Cut(block, "\nbulkhead "+begin)
		if !ok {
			t.Fatalf("README.md has no `bulkhead %s` in\n%s", begin, block)
		}
		line, _, _ := strings.Cut(rest, "\n")
		for i := 0; i < len(change); i += 2 {
			if !strings.Contains(line, change[i]) {
				t.Fatalf("%q is not in %q", change[i], line)
			}
			line = strings.Replace(line, change[i], change[i+1], 1)
		}
		c := exec.Command(shell, "-c", "exec "+filepath.Join(bin, "bulkhead")+" "+begin+line)
		c.Dir = dir
		return c
	}
	if out, err := command("certs init", "--address collector", "--address 127.0.0.1").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	state := filepath.Join(dir, "state")
	s, err := harness.Start(command("supervisor start", "0.0.0.0:7420", "127.0.0.1:0", "--clients 3",
		"--clients 1 --linger 0s --log-format json --state-dir "+state), state)
	expect.NoError(t, err)
	t.Cleanup(s.Kill)
	expect.NoError(t, s.AwaitReady(patience))
	client := command("client", "collector:7420", s.Addr, "/mnt/under-test", "load --work-dir "+dir, "--consumers 4",
		"--consumers 1 --chunk-size 4KiB --file-size 4KiB --rate-bytes 64KiB", "10m", "1s")
	if out, err := client.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	code, err := s.Wait(patience)
	expect.NoError(t, err)
	if code != exitComplete {
		t.Errorf("the supervisor exits with %d and prints\n%s", code, &s.Stdout)
	}
	rep, err := fold.FromJournal(filepath.Join(s.RunDir, "journal"))
	expect.NoError(t, err)
	if who := rep.Clients[0].Identity; rep.Run.Certificate == nil || who == nil || who.Name != "alpha" {
		t.Errorf("TLS is %v, and the client %v", rep.Run.Certificate, who)
	}
}

// TestTheCommandsOfCertsInit has a shell run what certs init prints: TLS with certificates on both
// sides is these two commands.
func TestTheCommandsOfCertsInit(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	dir := shortFolder(t, "it's")
	program := filepath.Join(bin, "bulkhead")
	out, err := exec.Command(program, "certs", "init", filepath.Join(dir, "certs"), "--address", "127.0.0.1",
		"--client", "alpha").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if again, err := exec.Command(program, "certs", "init", filepath.Join(dir, "certs")).CombinedOutput(); err == nil {
		t.Errorf("certificates were written over:\n%s", again)
	}
	printed := func(begin string) string {
		t.Helper()
		_, rest, ok := strings.Cut(string(out), "  bulkhead "+begin)
		if !ok {
			t.Fatalf("there is no %s in\n%s", begin, out)
		}
		line, _, _ := strings.Cut(rest, "\n")
		return "exec " + program + " " + begin + line
	}
	state := filepath.Join(dir, "state")
	s, err := harness.Start(exec.Command(shell, "-c", printed("supervisor start")+
		` --listen 127.0.0.1:0 --clients 1 --linger 0s --log-format json --state-dir "$0"`, state), state)
	expect.NoError(t, err)
	t.Cleanup(s.Kill)
	expect.NoError(t, s.AwaitReady(patience))
	client := exec.Command(shell, "-c", printed("client")+` --supervisor "$0" --name alpha --path "$1/load" --work-dir "$1" `+
		"--runtime 1s --consumers 1 --chunk-size 4KiB --file-size 4KiB --rate-bytes 64KiB", s.Addr, dir)
	if out, err := client.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	code, err := s.Wait(patience)
	expect.NoError(t, err)
	if code != 0 || !strings.Contains(s.Stdout.String(), "COMPLETE") {
		t.Errorf("the supervisor exits with %d and prints\n%s", code, &s.Stdout)
	}
}
