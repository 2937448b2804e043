package units_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// The units, and where docs/operating.md puts the configuration and the state.
const (
	serviceUnit = "bulkhead-supervisor.service"
	socketUnit  = "bulkhead-supervisor.socket"
	agentUnit   = "bulkhead-agent.service"
	settings    = "/etc/bulkhead/supervisor.yaml"
	agentFile   = "/etc/bulkhead/agent.yaml"
	stateDir    = "/var/lib/bulkhead"
)

// shipped returns a folder with what a release has: the Makefile and its script, the configuration,
// and the programs, built.
func shipped(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	expect.NoError(t, os.Mkdir(bin, 0o755))
	_, err := harness.Build(bin)
	expect.NoError(t, err)
	expect.NoError(t, os.CopyFS(filepath.Join(dir, "configs"), os.DirFS("../../../configs")))
	self, err := os.Executable() // it is the probe
	expect.NoError(t, err)
	const script = "internal/tools/in-one-piece.sh" // of the Makefile
	expect.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, script)), 0o755))
	for name, source := range map[string]string{"Makefile": "../../../Makefile", script: "../../../" + script,
		"probe": self} {
		content, err := os.ReadFile(source)
		expect.NoError(t, err)
		expect.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o755))
	}
	return dir
}

// installation returns the commands with which a page of docs/ installs units, below a heading.
func installation(t *testing.T, page, heading string) []string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/" + page)
	expect.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\n"+heading+"\n")
	_, block, ok2 := strings.Cut(section, "\n```\n")
	block, _, ok3 := strings.Cut(block, "\n```\n")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("docs/%s has no block of commands under %q", page, heading)
	}
	return strings.Split(block, "\n")
}

// install installs a service on the machine by such commands. The programs are built: make has nothing to
// build them with there.
func (m *machine) install(page, heading string) {
	m.t.Helper()
	for _, line := range installation(m.t, page, heading) {
		m.do("env", "MAKEFLAGS=GO=true", "/bin/sh", "-ec", line)
	}
}

// status returns what `bulkhead supervisor status` says.
func (m *machine) status() (*bulkheadv1.StatusResponse, error) {
	out, err := m.command("bulkhead", "supervisor", "status", "--state-dir", stateDir, "--json").Output()
	if err != nil {
		return nil, err
	}
	st := &bulkheadv1.StatusResponse{}
	return st, protojson.Unmarshal(out, st)
}

// session returns the status of the session of the client with that name.
func (m *machine) session(name string) (*bulkheadv1.SessionStatus, error) {
	st, err := m.status()
	if err != nil {
		return nil, err
	}
	for _, s := range st.GetSessions() {
		if s.GetName() == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no client %s: %v", name, st)
}

// await waits until a property of a unit has a value.
func (m *machine) await(unit, property, want string) {
	m.t.Helper()
	expect.Eventually(m.t, func() error {
		if got := m.show(unit)[property]; got != want {
			return fmt.Errorf("%s: %s=%s; want %s", unit, property, got, want)
		}
		return nil
	})
}

// client is a client that runs on the machine.
type client struct {
	*exec.Cmd
	t    *testing.T
	said strings.Builder
}

// load starts a client of some load that hardly costs anything.
func (m *machine) load(name string, args ...string) *client {
	m.t.Helper()
	args = append([]string{
		"bulkhead", "client", "--supervisor", "collector:7420", "--name", name, "--path", "/mnt/" + name,
		"--consumers", "1", "--chunk-size", "4KiB", "--file-size", "64KiB", "--rate-bytes", "1MiB",
		"--progress-interval", "100ms",
	}, args...)
	c := &client{Cmd: m.command(args...), t: m.t}
	c.Stdout, c.Stderr = &c.said, &c.said
	expect.NoError(m.t, c.Start())
	m.t.Cleanup(func() {
		_ = c.Process.Kill() // it may have ended
		_ = c.Wait()
	})
	return c
}

// ends waits for the client's end and checks its exit status.
func (c *client) ends(want int) {
	c.t.Helper()
	_ = c.Wait() // what it comes to is the exit status
	if got := c.ProcessState.ExitCode(); got != want {
		c.t.Errorf("the client's exit status is %d; want %d\n%s", got, want, c.said.String())
	}
}

// kill ends the client on the machine with SIGKILL.
func (c *client) kill() {
	c.t.Helper()
	pids, err := harness.Children(c.Process.Pid, "bulkhead") // of nsenter
	expect.NoError(c.t, err)
	if len(pids) != 1 {
		c.t.Fatalf("processes of the client: %v; want one", pids)
	}
	expect.NoError(c.t, syscall.Kill(pids[0], syscall.SIGKILL))
	_ = c.Wait()
}

// report returns the report of the newest run, by the commands for it.
func (m *machine) report() *report.Report {
	m.t.Helper()
	latest := stateDir + "/runs/latest"
	m.do("bulkhead", "journal", "check", latest)
	out, err := m.command("bulkhead", "report", latest, "--format", "json").Output()
	expect.NoError(m.t, err)
	rep := &report.Report{}
	expect.NoError(m.t, json.Unmarshal(out, rep))
	return rep
}
