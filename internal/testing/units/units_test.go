package units_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/testing/harness/expect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// The units do under a real systemd what docs/operating.md says of them. The subtests are
// on one machine, and each begins with a service that has just been started.
func TestUnitsUnderSystemd(t *testing.T) {
	whole := boot(t, shipped(t))
	whole.install("operating.md", "## Under systemd")
	original, err := os.ReadFile("../../../configs/supervisor.yaml")
	expect.NoError(t, err)
	for _, test := range []struct {
		name string
		run  func(*machine)
	}{
		{"the commands of the docs install them", installed},
		{"the restrictions are in force", restricted},
		{"a client that connects starts the service", activated},
		{"a crash is followed by another start, and the run continues", crashed},
		{"a reload upgrades in place", reloaded},
		{"a partial run is no failure", partial},
		{"a bad configuration is not tried again", badConfiguration},
		{"bad usage is not tried again", badUsage},
		{"a failure that may pass is tried again", tryAgain},
		{"an agent does the work of jobs", agentWorks},
		{"a client cannot start what cannot work for ever", limited},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := &machine{t: t, pid: whole.pid}
			m.do("systemctl", "stop", socketUnit, serviceUnit)
			m.do("rm", "-rf", "/etc/systemd/system/"+serviceUnit+".d", stateDir)
			m.do("systemctl", "daemon-reload")
			m.configure(string(original))
			m.run("systemctl", "reset-failed", socketUnit, serviceUnit) // which also forgets how often it was started
			m.do("systemctl", "start", socketUnit, serviceUnit)
			test.run(m)
		})
	}
}

// configure replaces the service's configuration.
func (m *machine) configure(text string) {
	m.t.Helper()
	expect.NoError(m.t, os.WriteFile(m.path(settings), []byte(text), 0o640)) // whose group stays
}

// dropIn adds settings to the service, for a probe.
func (m *machine) dropIn(text string) {
	m.t.Helper()
	dir := m.path("/etc/systemd/system/" + serviceUnit + ".d")
	expect.NoError(m.t, os.MkdirAll(dir, 0o755))
	expect.NoError(m.t, os.WriteFile(dir+"/probe.conf", []byte(text), 0o644))
	m.do("systemctl", "daemon-reload")
}

// is checks properties of a unit.
func (m *machine) is(unit string, want map[string]string) {
	m.t.Helper()
	got := m.show(unit)
	for property, value := range want {
		if got[property] != value {
			m.t.Errorf("%s: %s=%s; want %s", unit, property, got[property], value)
		}
	}
}

func installed(m *machine) {
	m.is(serviceUnit, map[string]string{"ActiveState": "active", "SubState": "running", "NRestarts": "0"})
	m.is(socketUnit, map[string]string{"ActiveState": "active"})
	if out := m.do("systemd-analyze", "verify", "--man=no", serviceUnit, socketUnit); out != "" {
		m.t.Errorf("systemd finds in the units:\n%s", out)
	}
	st, err := m.status()
	expect.NoError(m.t, err)
	if pid := m.show(serviceUnit)["MainPID"]; pid != strconv.Itoa(int(st.GetPid())) || st.GetListen() != "[::]:7420" {
		m.t.Errorf("pid %d, listening on %s; want pid %s, and the socket that systemd holds", st.GetPid(),
			st.GetListen(), pid)
	}
	// What a boot starts is what the default target wants.
	m.do("systemctl", "stop", socketUnit, serviceUnit)
	m.do("systemctl", "start", "default.target")
	for _, unit := range []string{socketUnit, serviceUnit} {
		m.await(unit, "ActiveState", "active")
		m.is(unit, map[string]string{"UnitFileState": "enabled"})
	}
}

// restricted lets a probe try what the restrictions forbid: as the service, and as the
// service's user without them, to whom all of it is open.
func restricted(m *machine) {
	findings := func(file string) map[string]string {
		text, err := os.ReadFile(m.path(file))
		expect.NoError(m.t, err)
		found := make(map[string]string)
		expect.NoError(m.t, json.Unmarshal(text, &found))
		return found
	}
	m.do("install", "-d", "-o", "bulkhead", "/var/tmp/probe")
	m.do("setpriv", "--reuid=bulkhead", "--regid=bulkhead", "--clear-groups",
		"env", probeVariable+"=/var/tmp/probe/found", "/shipped/probe")
	for deed, why := range findings("/var/tmp/probe/found") {
		if why != "" {
			m.t.Errorf("%s: %s: also without the service, so that this shows nothing", deed, why)
		}
	}
	m.dropIn("[Service]\nEnvironment=" + probeVariable + "=" + stateDir + "/found\nExecStartPost=/shipped/probe\n")
	m.do("systemctl", "restart", serviceUnit)
	found := findings(stateDir + "/found")
	for deed := range forbidden {
		if found[deed] == "" {
			m.t.Errorf("%s: the service may do that", deed)
		}
	}
	// And in them handlers are spawned, get a client's socket, and serve it.
	m.load("served", "--runtime", "1s").ends(exitstatus.Complete)
	handlers := strings.Fields(m.do("sh", "-c", "cat /proc/"+m.show(serviceUnit)["MainPID"]+"/task/*/children"))
	if len(handlers) == 0 {
		m.t.Error("the supervisor has no handlers")
	}
	for _, pid := range handlers {
		status := m.do("cat", "/proc/"+pid+"/status")
		for _, want := range []string{"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "CapBnd:\t0000000000000000\n"} {
			if !strings.Contains(status, want) {
				m.t.Errorf("handler %s: want %q in its status:\n%s", pid, want, status)
			}
		}
	}
}

// agentWorks installs an agent by the commands of the docs, and runs a job on it. Its restrictions let
// it do its work, and stopping it in the middle of a load leaves nothing.
func agentWorks(m *machine) {
	m.install("fleet.md", "### As a service")
	defer m.do("systemctl", "disable", "--now", agentUnit)
	m.do("sed", "-i", "s/^supervisor: .*/supervisor: collector:7420/; s/^name: .*/name: box/", agentFile)
	m.do("systemctl", "restart", agentUnit)
	if out := m.do("systemd-analyze", "verify", "--man=no", agentUnit); out != "" {
		m.t.Errorf("systemd finds in the unit:\n%s", out)
	}
	job := func(runtime string) {
		m.t.Helper()
		text := "job: small\nclients:\n- on: {name: box}\n  load: {path: /mnt/under-test, runtime: " + runtime +
			", consumer_count: 1, chunk_size: 4KiB, file_size: 64KiB, rate: {bytes: 1MiB}}\n"
		expect.NoError(m.t, os.WriteFile(m.path("/var/tmp/job.yaml"), []byte(text), 0o644))
	}
	run := []string{"bulkhead", "run", "--state-dir", stateDir, "/var/tmp/job.yaml"}
	job("1s")
	if out, code := m.run(run...); code != exitstatus.Complete {
		m.t.Fatalf("the job's exit status is %d\n%s\n%s", code, out, m.do("journalctl", "-u", agentUnit))
	}
	if rep := m.report(); !rep.Complete() || rep.Run.Job == nil || rep.Clients[0].Name != "box" {
		m.t.Errorf("the verdict is %+v, of %+v", rep.Verdict, rep.Run.Job)
	}
	job("10m")
	long := m.command(run...)
	expect.NoError(m.t, long.Start())
	m.goesOn("box", nil)
	m.do("systemctl", "stop", agentUnit)
	_ = long.Wait() // what it comes to is the exit status
	if code := long.ProcessState.ExitCode(); code != exitstatus.Interrupted {
		m.t.Errorf("the exit status of the job is %d; want that of an interrupted one", code)
	}
	m.is(agentUnit, map[string]string{"ActiveState": "inactive", "Result": "success"})
	if left := m.do("find", "/mnt/under-test", "/var/lib/bulkhead-agent", "-mindepth", "1"); left != "" {
		m.t.Errorf("left are:\n%s", left)
	}
}

func activated(m *machine) {
	m.do("systemctl", "stop", serviceUnit)
	m.is(serviceUnit, map[string]string{"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})
	m.is(socketUnit, map[string]string{"ActiveState": "active", "SubState": "listening"})
	m.load("first", "--runtime", "1s").ends(exitstatus.Complete)
	m.is(serviceUnit, map[string]string{"ActiveState": "active", "NRestarts": "0"})
	m.do("systemctl", "stop", serviceUnit)
	m.is(serviceUnit, map[string]string{"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})
	if rep := m.report(); !rep.Complete() || rep.Clients[0].Name != "first" {
		m.t.Errorf("the verdict is %+v", rep.Verdict)
	}
}

// goesOn waits until something more of the session of a client, which must still be the
// same one with the same handler, is durable than was before.
func (m *machine) goesOn(name string, before *bulkheadv1.SessionStatus) *bulkheadv1.SessionStatus {
	m.t.Helper()
	var now *bulkheadv1.SessionStatus
	expect.Eventually(m.t, func() error {
		var err error
		if now, err = m.session(name); err != nil {
			return err
		}
		if now.GetState() != "active" || now.GetDurableSeq() <= before.GetDurableSeq() {
			return fmt.Errorf("want more than message %d: %v", before.GetDurableSeq(), now)
		}
		return nil
	})
	if before != nil && (now.GetSessionId() != before.GetSessionId() || now.GetHandlerPid() != before.GetHandlerPid() ||
		now.GetResumes() != before.GetResumes()) {
		m.t.Errorf("the session was %v, and is %v", before, now)
	}
	return now
}

// crashed kills the supervisor in each way, and stops the service in the end.
func crashed(m *machine) {
	c := m.load("steady", "--runtime", "10m")
	session := m.goesOn("steady", nil)
	signals := []string{"ABRT", "SEGV", "KILL"} // Go's own death, with exit status 2, by the first two
	for i, signal := range signals {
		before := m.show(serviceUnit)
		m.do("kill", "-"+signal, before["MainPID"])
		m.await(serviceUnit, "NRestarts", strconv.Itoa(i+1))
		m.await(serviceUnit, "ActiveState", "active")
		if m.show(serviceUnit)["MainPID"] == before["MainPID"] {
			m.t.Errorf("the supervisor that got SIG%s still runs", signal)
		}
		session = m.goesOn("steady", session)
	}
	m.do("systemctl", "stop", serviceUnit)
	c.ends(exitstatus.Interrupted)
	m.is(serviceUnit,
		map[string]string{"ActiveState": "inactive", "Result": "success",
			"ExecMainStatus": strconv.Itoa(exitstatus.Interrupted)})
	rep := m.report()
	if len(rep.Clients) != 1 || rep.Clients[0].Outcome != "closed" || rep.Clients[0].Resumes != 0 ||
		len(rep.Run.Restarts) != len(signals) {
		m.t.Errorf("want one client, closed, on one connection through %d restarts: %+v; %+v", len(signals),
			rep.Clients, rep.Run.Restarts)
	}
	if left := m.do("sh", "-c", "cat /sys/fs/cgroup/system.slice/"+serviceUnit+
		"/cgroup.procs 2>/dev/null || true"); left != "" {
		m.t.Errorf("processes that are left of the service: %s", left)
	}
}

func reloaded(m *machine) {
	c := m.load("steady", "--runtime", "10m")
	session := m.goesOn("steady", nil)
	before := m.show(serviceUnit)
	m.do("make", "install", "GO=true")
	m.configure("clients: 7\n")
	m.do("systemctl", "reload", serviceUnit)
	expect.Eventually(m.t, func() error {
		if st, err := m.status(); err != nil || st.GetExpectedClients() != 7 {
			return fmt.Errorf("want 7 expected clients: %v, %v", st, err)
		}
		return nil
	})
	m.goesOn("steady", session)
	m.is(serviceUnit, map[string]string{"ActiveState": "active", "MainPID": before["MainPID"], "NRestarts": "0"})
	// A program or configuration that does not pass its check changes nothing.
	m.configure("clients: many\n")
	m.do("systemctl", "reload", serviceUnit)
	expect.Eventually(m.t, func() error {
		if log := m.do("journalctl", "--no-pager", "-u", serviceUnit); !strings.Contains(log, `\"many\"`) &&
			!strings.Contains(log, `"many"`) {
			return fmt.Errorf("the log does not say what is wrong")
		}
		return nil
	})
	m.is(serviceUnit, map[string]string{"ActiveState": "active", "MainPID": before["MainPID"], "NRestarts": "0"})
	m.do("systemctl", "stop", serviceUnit)
	c.ends(exitstatus.Interrupted)
}

func partial(m *machine) {
	m.configure("session:\n  grace: 0s\nlinger: 0s\n")
	m.do("systemctl", "restart", serviceUnit)
	c := m.load("doomed", "--runtime", "10m")
	m.goesOn("doomed", nil)
	first, err := m.status()
	expect.NoError(m.t, err)
	c.kill()
	expect.Eventually(m.t, func() error {
		st, err := m.status()
		if err != nil || st.GetRunId() == first.GetRunId() {
			return fmt.Errorf("the run of the lost client continues: %v, %v", st, err)
		}
		return nil
	})
	m.do("systemctl", "stop", serviceUnit)
	m.is(serviceUnit,
		map[string]string{"ActiveState": "inactive", "Result": "success",
			"ExecMainStatus": strconv.Itoa(exitstatus.Partial)})
}

// fails starts the service anew and checks that it is down for good, with an exit status.
func (m *machine) fails(status int) {
	m.t.Helper()
	if out, code := m.run("systemctl", "restart", serviceUnit); code == 0 {
		m.t.Errorf("the service was started: %s", out)
	}
	m.is(serviceUnit, map[string]string{
		"ActiveState": "failed", "SubState": "failed", "NRestarts": "0", "Result": "exit-code",
		"ExecMainStatus": strconv.Itoa(status),
	})
}

func badConfiguration(m *machine) {
	m.configure("clients: many\n")
	m.fails(exitstatus.Config)
	m.configure("clients: 1\n")
	m.do("systemctl", "restart", serviceUnit)
}

func badUsage(m *machine) {
	m.dropIn("[Service]\nExecStart=\nExecStart=/usr/local/bin/bulkhead supervisor start --state-dir " + stateDir +
		" --no-such-flag\n")
	m.fails(exitstatus.Usage)
}

func tryAgain(m *machine) {
	m.do("systemctl", "stop", serviceUnit)
	other := m.command("setpriv", "--reuid=bulkhead", "--regid=bulkhead", "--clear-groups",
		"bulkhead", "supervisor", "start", "--listen", "127.0.0.1:7421", "--state-dir", stateDir)
	expect.NoError(m.t, other.Start())
	m.t.Cleanup(func() {
		_ = other.Process.Kill() // it may have ended
		_ = other.Wait()
	})
	expect.Eventually(m.t, func() error { _, err := m.status(); return err })
	m.do("systemctl", "start", "--no-block", serviceUnit)
	expect.Eventually(m.t, func() error {
		if n := m.show(serviceUnit)["NRestarts"]; n == "0" {
			return fmt.Errorf("it is not tried again")
		}
		return nil
	})
	if log := m.do("journalctl", "--no-pager", "-u", serviceUnit); !strings.Contains(log, "status=1/FAILURE") {
		m.t.Error("the supervisor did not exit with 1")
	}
	m.do("bulkhead", "supervisor", "drain", "--state-dir", stateDir)
	m.await(serviceUnit, "ActiveState", "active")
}

// limited: what a client's connection starts, though it cannot work, ends with the limit,
// and the service can be started once its configuration is fixed.
func limited(m *machine) {
	m.configure("clients: many\n")
	m.fails(exitstatus.Config)
	c := m.load("early", "--runtime", "1s")
	m.await(socketUnit, "ActiveState", "failed")
	m.configure("clients: 1\n")
	m.do("sh", "-c", "systemctl reset-failed 'bulkhead-supervisor.*' && systemctl start bulkhead-supervisor.service")
	c.ends(exitstatus.Complete)
}
