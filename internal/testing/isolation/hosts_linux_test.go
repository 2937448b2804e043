package isolation_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/testing/harness/expect"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
)

// neighboursYAML is a load whose files live for some 10 s, and readers of those of others.
const neighboursYAML = `
consumer_count: 1
chunk_size: 4KiB
file_size: 64KiB
keep_files: 40
reserve: 0
rate: {bytes: 256KiB}
readers: 1
read: {of: neighbour, size: 4KiB, rate: {ops: 200}}
runtime: 10m
`

// onHost returns a command that runs as on a host of its own, booted as boot says, which has mounted a
// folder at a path.
func onHost(host, boot, folder, at string, args ...string) *exec.Cmd {
	const script = `echo "$0" > /proc/sys/kernel/hostname && mount --make-rprivate / && mount --bind "$2" "$3" &&
		mount --bind "$1" /proc/sys/kernel/random/boot_id && shift 3 && exec "$@"`
	cmd := exec.Command("sh", append([]string{"-c", script, host, boot, folder, at}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUTS | syscall.CLONE_NEWNS}
	return cmd
}

// Two hosts have one folder mounted: the clients on them read each other's files, and what is torn or
// foreign in one is named with both hosts.
func TestTwoHostsReadEachOther(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root mounts")
	}
	t.Parallel()
	state := newStateDir(t)
	s := startCommand(t, command(state, "--clients", "2"))
	dir := t.TempDir()
	shared, mounted := filepath.Join(dir, "shared"), filepath.Join(dir, "mounted")
	file := filepath.Join(dir, "load.yaml")
	for _, one := range []string{shared, mounted} {
		expect.NoError(t, os.Mkdir(one, 0o755))
	}
	expect.NoError(t, os.WriteFile(file, []byte(neighboursYAML), 0o600))
	clients, boots := make(map[string]*exec.Cmd), map[string]string{
		"alpha": "0a1b2c3d-0000-4000-8000-000000000001", "bravo": "0a1b2c3d-0000-4000-8000-000000000002"}
	for _, name := range []string{"alpha", "bravo"} {
		boot := filepath.Join(dir, "boot-of-"+name)
		expect.NoError(t, os.WriteFile(boot, []byte(boots[name]+"\n"), 0o444))
		c := onHost("host-of-"+name, boot, shared, mounted, filepath.Join(bin, "bulkhead"), "client", "--config", file,
			"--supervisor", s.Addr, "--name", name, "--path", mounted, "--work-dir", filepath.Dir(state))
		said := new(bytes.Buffer)
		c.Stdout, c.Stderr = said, said
		expect.NoError(t, c.Start())
		t.Cleanup(func() {
			c.Process.Kill()
			c.Wait()
			if t.Failed() {
				t.Logf("client %s said:\n%s", name, said)
			}
		})
		clients[name] = c
	}
	status := func(name string, as func(*bulkheadv1.SessionStatus) bool) {
		t.Helper()
		expect.Eventually(t, func() error {
			for _, one := range s.status().GetSessions() {
				if one.GetName() == name && as(one) {
					return nil
				}
			}
			return fmt.Errorf("not yet: %v", s.status())
		})
	}
	for name := range clients {
		status(name, func(one *bulkheadv1.SessionStatus) bool { return one.GetReads() > 20 })
	}
	own := func(name string) []string {
		list, err := filepath.Glob(filepath.Join(shared, "bulkhead-"+name+"-*", "consumer-0", "load-*.dat"))
		expect.NoError(t, err)
		return list
	}
	foreign, err := os.ReadFile(own("alpha")[0])
	expect.NoError(t, err)
	files := own("bravo")
	for i, path := range files[:len(files)-1] { // the last is being written
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			continue // it is removed
		}
		if i%2 == 0 {
			_, err = f.WriteAt(make([]byte, 2048), 2048)
		} else {
			_, err = f.WriteAt(foreign[8192:12288], 8192)
		}
		expect.NoError(t, err)
		expect.NoError(t, f.Close())
	}
	found := func() (kinds map[string]bool, c *report.Client) {
		rep, err := fold.FromJournal(filepath.Join(s.RunDir, "journal"))
		expect.NoError(t, err)
		for i := range rep.Clients {
			if rep.Clients[i].Name == "alpha" {
				c = &rep.Clients[i]
			}
		}
		kinds = make(map[string]bool)
		for _, one := range c.Corruptions {
			kinds[one.Kind] = true
		}
		return kinds, c
	}
	expect.Eventually(t, func() error {
		if kinds, _ := found(); !kinds[report.CorruptTorn] || !kinds[report.CorruptMisplaced] {
			return fmt.Errorf("found so far: %v", kinds)
		}
		return nil
	})
	for name, c := range clients {
		expect.NoError(t, c.Process.Signal(syscall.SIGINT))
		_ = c.Wait()
		if code := c.ProcessState.ExitCode(); code != map[string]int{"alpha": exitPartial, "bravo": 4}[name] {
			t.Errorf("client %s exited with %d", name, code)
		}
	}
	rep := s.finish(exitPartial)
	_, alpha := found()
	for _, one := range alpha.Corruptions {
		if o := one.Owner; o == nil || o.Name != "bravo" || o.Host != "host-of-bravo" ||
			o.ReaderHost != "host-of-alpha" || !strings.HasPrefix(one.Path, mounted) {
			t.Errorf("a corruption is of %+v, %q", o, one.Path)
		}
	}
	for _, c := range rep.Clients {
		if c.Reads == nil || c.Reads.Neighbours != 1 || c.Reads.NeighbourHosts != 1 || c.Host != "host-of-"+c.Name ||
			c.Name == "bravo" && len(c.Corruptions) > 0 {
			t.Errorf("%s on %s read %+v, and found %d wrong", c.Name, c.Host, c.Reads, len(c.Corruptions))
		}
	}
	if left, err := os.ReadDir(shared); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// neighboursJob is a job of two gathered clients that read each other's files in one of their two stages.
const neighboursJob = `job: neighbours
clients:
- {on: all, agents: 2}
load:
  path: %s
  consumer_count: 1
  chunk_size: 4KiB
  file_size: 64KiB
  readers: 1
  read: {of: neighbour, size: 4KiB, rate: {ops: 200}}
  stages:
  - {name: fill, duration: 1s, report: off, rate: {bytes: 1MiB}}
  - {name: run, duration: 2s, rate: {bytes: 1MiB}}
gather: {timeout: 1m}
`

// Two agents on hosts of their own may both write to one folder: the clients of a job that they start
// read each other's files, within what both owners allow.
func TestAgentsOfTwoHostsReadEachOther(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root mounts")
	}
	t.Parallel()
	dir, state := t.TempDir(), newStateDir(t)
	shared, mounted, job := filepath.Join(dir, "shared"), filepath.Join(dir, "mounted"), filepath.Join(dir, "job.yaml")
	for _, one := range []string{shared, mounted} {
		expect.NoError(t, os.Mkdir(one, 0o755))
	}
	expect.NoError(t, os.WriteFile(job, fmt.Appendf(nil, neighboursJob, mounted), 0o600))
	s := startCommand(t, command(state, "--job", job))
	for i, name := range []string{"alpha", "bravo"} {
		boot := filepath.Join(dir, "boot-of-"+name)
		expect.NoError(t, os.WriteFile(boot, fmt.Appendf(nil, "0a1b2c3d-0000-4000-8000-00000000000%d\n", i), 0o444))
		agent := onHost("host-of-"+name, boot, shared, mounted, filepath.Join(bin, "bulkhead"), "agent", "--supervisor",
			s.Addr, "--name", name, "--allow", mounted+":100MiB", "--work-dir", filepath.Dir(newStateDir(t)))
		said := new(bytes.Buffer)
		agent.Stdout, agent.Stderr = said, said
		expect.NoError(t, agent.Start())
		t.Cleanup(func() {
			_ = agent.Process.Signal(syscall.SIGTERM)
			_ = agent.Wait()
			if t.Failed() {
				t.Logf("agent %s said:\n%s", name, said)
			}
		})
	}
	endsComplete(t, s)
	rep, err := fold.FromJournal(filepath.Join(s.StateDir, "runs", "latest", "journal"))
	expect.NoError(t, err)
	if len(rep.Clients) != 2 || len(rep.Stages) != 2 || !rep.Complete() {
		t.Fatalf("%d clients in %d stages, %s", len(rep.Clients), len(rep.Stages), rep.Verdict.Headline)
	}
	for _, c := range rep.Clients {
		if c.Host != "host-of-"+c.Name || c.Reads == nil || c.Reads.NeighbourHosts != 1 || c.Reads.Bytes == 0 ||
			c.Reads.VerifiedBytes != c.Reads.Bytes || len(c.Corruptions) > 0 {
			t.Errorf("%s on %s read %+v, and found %d wrong", c.Name, c.Host, c.Reads, len(c.Corruptions))
		}
	}
	if left, err := os.ReadDir(shared); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
