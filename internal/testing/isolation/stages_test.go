package isolation_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/testing/harness/expect"
)

// stagesYAML is a load of five stages, the second of which its bytes end.
const stagesYAML = `
consumer_count: 2
chunk_size: 4KiB
file_size: 64KiB
reserve: 0
stages:
  - {name: fill, duration: 1s, report: off}
  - {name: bytes, total_size: 8MiB, duration: 30s, pause: 1s}
  - {name: peak, duration: 1s, concurrency: 2}
  - {name: curve, duration: 1s, rate: 50%..100% in 1 steps}
`

// A client that goes through its stages loses its handler in one and its supervisor in another: the
// schedule goes on meanwhile, and every stage is in the report as if nothing had been.
func TestStagesGoOnWithoutASupervisor(t *testing.T) {
	t.Parallel()
	state := newStateDir(t)
	s := startCommand(t, command(state))
	dir := t.TempDir()
	file := filepath.Join(dir, "stages.yaml")
	expect.NoError(t, os.WriteFile(file, []byte(stagesYAML), 0o600))
	client := exec.Command(filepath.Join(bin, "bulkhead"), "client", "--config", file, "--supervisor", s.Addr, "--name",
		"alpha", "--path", filepath.Join(dir, "load"), "--work-dir", filepath.Dir(state))
	pipe, err := client.StderrPipe()
	expect.NoError(t, err)
	expect.NoError(t, client.Start())
	t.Cleanup(func() { client.Process.Kill(); client.Wait() })
	said := bufio.NewScanner(pipe)
	var log []string
	until := func(text string) {
		t.Helper()
		for said.Scan() {
			if log = append(log, said.Text()); strings.Contains(said.Text(), text) {
				return
			}
		}
		t.Fatalf("the client ended before it said %q:\n%s", text, strings.Join(log, "\n"))
	}

	until("stage fill begins")
	expect.NoError(t, syscall.Kill(int(s.session("alpha").GetHandlerPid()), syscall.SIGKILL))
	until("stage bytes begins")
	s.await("alpha", "active")
	s.Kill()
	until("stage peak begins") // nobody has heard of it
	s = startCommand(t, command(state))
	for said.Scan() {
	}
	expect.NoError(t, client.Wait())
	rep := s.finish(exitComplete)

	names := []string{"fill", "bytes", "peak", "curve 50%", "curve 100%"}
	if len(rep.Stages) != len(names) || len(rep.Run.Restarts) != 1 {
		t.Fatalf("%d stages and %d restarts; want %d and 1", len(rep.Stages), len(rep.Run.Restarts), len(names))
	}
	for i, one := range rep.Stages {
		if one.Name != names[i] || one.Consumers != 2 || one.Finished != 1 || one.Bytes == 0 {
			t.Errorf("stage %d: %+v; want %s of 2 consumers", i+1, one, names[i])
		}
	}
	const most = 8<<20 + 2*4<<10 // and less than a chunk of each consumer
	if bytes := rep.Stages[1].Bytes; bytes < 8<<20 || bytes > most {
		t.Errorf("%d bytes are of the stage that ends with 8 MiB", bytes)
	}
}
