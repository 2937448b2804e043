package faults_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
)

// unitFolder holds the units that are shipped.
const unitFolder = "../../../configs/systemd"

// directives are a unit's settings, "Section.Key" to its last value.

func directives(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	expect.NoError(t, err)
	defer f.Close()
	out := make(map[string]string)
	section := ""
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		key, value, isSetting := strings.Cut(line, "=")
		switch {
		case line == "", strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
		case isSetting:
			out[section+"."+key] = value
		default:
			t.Errorf("%s: %q is neither a setting nor a comment", path, line)
		}
	}
	return out
}

// The shipped units say what the promises rest on.
func TestUnitsKeepThePromises(t *testing.T) {
	service := directives(t, filepath.Join(unitFolder, "bulkhead-supervisor.service"))
	for key, want := range map[string]string{
		"Service.Type":                     "notify",
		"Service.KillMode":                 "process", // handlers outlive a crash
		"Service.OOMPolicy":                "continue",
		"Service.Restart":                  "on-failure",
		"Service.SuccessExitStatus":        "3 4",
		"Service.RestartPreventExitStatus": "64 78",
		"Service.ExecReload":               "/bin/kill -HUP $MAINPID",
		"Service.StateDirectory":           "bulkhead",
		"Service.RuntimeDirectory":         "bulkhead", // else sockets are where any user may fill the memory
		"Service.RuntimeDirectoryPreserve": "yes",      // handlers outlive a crash
		"Unit.Requires":                    "bulkhead-supervisor.socket",
	} {
		if service[key] != want {
			t.Errorf("%s=%s; want %s", key, service[key], want)
		}
	}
	if _, there := service["Service.PrivateTmp"]; there {
		t.Error("PrivateTmp takes sockets away at a restart")
	}
	socket := directives(t, filepath.Join(unitFolder, "bulkhead-supervisor.socket"))
	if socket["Socket.Accept"] != "no" || socket["Socket.ListenStream"] == "" {
		t.Errorf("the socket unit has %v", socket)
	}
}

// systemd itself finds nothing wrong with the units.
func TestUnitsAreValid(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed; TestUnitsKeepThePromises reads the units all the same")
	}
	bin := must1(built.plain())(t)
	dir := t.TempDir()
	var units []string
	for _, name := range []string{"bulkhead-supervisor.service", "bulkhead-supervisor.socket",
		"bulkhead-agent.service"} {
		data, err := os.ReadFile(filepath.Join(unitFolder, name))
		expect.NoError(t, err)
		unit := filepath.Join(dir, name)
		text := strings.ReplaceAll(string(data), "/usr/local/bin/", bin+"/") // it must exist
		expect.NoError(t, os.WriteFile(unit, []byte(text), 0o644))
		units = append(units, unit)
	}
	out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "bulkhead") { // it also checks units of the machine
			t.Error(line)
		}
	}
	if err != nil && t.Failed() {
		t.Error(err)
	}
}

// With the listener held by a service manager, a client that connects while no
// supervisor is there waits for the next one; and the service manager is told when it
// is ready.
func TestListenerOutlivesTheSupervisor(t *testing.T) {
	bin := must1(built.plain())(t)
	dir := must1(os.MkdirTemp("", "bhf-"))(t)
	listener := must1(net.Listen("tcp", "127.0.0.1:0"))(t).(*net.TCPListener)
	addr := listener.Addr().String()
	held := must1(listener.File())(t)
	t.Cleanup(func() { held.Close() })
	expect.NoError(t, listener.Close()) // the descriptor stays
	told := must1(net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(dir, "notify")}))(t)
	t.Cleanup(func() { told.Close() })

	w := &world{t: t, bin: bin, dir: dir, ctx: t.Context(),
		settings: settings{clients: 2, stateDir: filepath.Join(dir, "state")}}
	t.Cleanup(w.clear)
	start := func() {
		direct := harness.SupervisorCommand(bin, w.settings.stateDir, "--clients", "2", "--linger", "0s")
		// LISTEN_PID must be the supervisor's own.
		cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, direct.Args...)...)
		cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "NOTIFY_SOCKET="+told.LocalAddr().String())
		cmd.ExtraFiles = []*os.File{held} // as fd 3
		s, err := harness.Start(cmd, w.settings.stateDir)
		expect.NoError(t, err)
		if w.Supervisor != nil {
			w.before = append(w.before, w.Supervisor)
		}
		w.Supervisor = s
		expect.NoError(t, w.AwaitReady(patience))
		if w.Addr != addr {
			t.Fatalf("the supervisor listens on %s; want %s, which it was given", w.Addr, addr)
		}
		expect.NoError(t, told.SetReadDeadline(time.Now().Add(patience)))
		buf := make([]byte, 4096)
		n, err := told.Read(buf)
		expect.NoError(t, err)
		if got := string(buf[:n]); !strings.Contains(got, "READY=1") {
			t.Errorf("the service manager was told %q; want READY=1", got)
		}
	}
	start()
	w.runDir, w.addr = w.RunDir, addr
	a := w.sender("a", addr, nil)
	expect.NoError(t, a.GoesOn(patience))
	w.Kill()
	b := w.sender("b", addr, nil) // the kernel takes the connection
	start()
	for _, s := range w.senders {
		expect.NoError(t, s.GoesOn(patience))
	}
	a.Finish()
	b.Finish()
	rep := w.finish(exitComplete)
	undisturbed(t, rep, a)
	undisturbed(t, rep, b)
	if ends := b.Progress().Ends; len(ends) > 0 {
		t.Error(fmt.Errorf("b was refused while no supervisor was there: %v", ends))
	}
}
