package isolation_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
)

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
