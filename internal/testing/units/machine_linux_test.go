package units_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/testing/harness/expect"
)

// machine is a machine of a test's own, whose first process is a real systemd.
type machine struct {
	t   *testing.T
	pid int // of systemd, as the test sees it
}

// boot starts a machine that has shipped, a folder, at /shipped, and waits until it is up.
// The test is skipped where there cannot be one.
func boot(t *testing.T, shipped string) *machine {
	t.Helper()
	needs(t)
	group := newGroup(t)
	exe, err := os.Executable()
	expect.NoError(t, err)
	var said bytes.Buffer // by what comes before systemd
	cmd := exec.Command(exe)
	cmd.Env = []string{initVariable + "=" + shipped}
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS |
			syscall.CLONE_NEWIPC,
		UseCgroupFD: true, CgroupFD: int(group.Fd()),
		Setsid:    true,
		Pdeathsig: syscall.SIGKILL, // the machine does not outlive the test, however that ends
	}
	cmd.WaitDelay = expect.Patience
	started, ended := make(chan error), make(chan struct{})
	go func() { // ends with the machine; the thread is its parent, and lives as long
		defer close(ended)
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is killed
		}
	}()
	switch err := <-started; {
	case errors.Is(err, syscall.EPERM):
		t.Skipf("this system refuses namespaces, so no systemd of its own can run: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	m := &machine{t: t, pid: cmd.Process.Pid}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the journal of the machine:\n%s", m.log())
		}
		_ = cmd.Process.Kill() // and with the first process every other one
		<-ended
		expect.Eventually(t, func() error { return removeGroups(group.Name()) })
		group.Close()
	})
	expect.Eventually(t, func() error {
		select {
		case <-ended:
			t.Fatalf("the first process ended: %v\n%s", cmd.ProcessState, said.String())
		default:
		}
		out, _ := m.command("systemctl", "is-system-running").CombinedOutput()
		if state := strings.TrimSpace(string(out)); state != "running" {
			return fmt.Errorf("systemd says %q", state)
		}
		return nil
	})
	return m
}

// needs skips a test where a machine cannot be, and fails it where CI is set and only a
// package is missing.
func needs(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("systemd runs the programs as they are built for use")
	}
	if os.Getuid() != 0 {
		t.Skip("a systemd of its own needs root")
	}
	for _, program := range []string{systemd, "/usr/bin/systemctl", "/usr/bin/journalctl", "/usr/bin/nsenter",
		"/usr/bin/make"} {
		if _, err := os.Stat(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%v: the packages systemd, util-linux and make must be installed where CI is set", err)
			}
			t.Skipf("%v: install the packages systemd, util-linux and make", err)
		}
	}
}

// newGroup makes a cgroup below that of the test. The caller closes it.
func newGroup(t *testing.T) *os.File {
	t.Helper()
	own, err := ownGroup()
	expect.NoError(t, err)
	if own == "" {
		t.Skip("a systemd of its own needs cgroup2, which is not mounted here")
	}
	dir, err := os.MkdirTemp(own, "bulkhead-units-")
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		t.Skipf("a systemd of its own needs a cgroup, which this system refuses: %v", err)
	}
	expect.NoError(t, err)
	group, err := os.Open(dir)
	expect.NoError(t, err)
	return group
}

// ownGroup returns the folder of the cgroup that the test is in; "" without cgroup2.
func ownGroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		dash := slices.Index(f, "-")
		if dash < 0 || f[dash+1] != "cgroup2" {
			continue
		}
		for line := range strings.Lines(string(groups)) {
			if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
				rel, err := filepath.Rel(f[3], path) // the mount may show a part of the tree only
				if err != nil || strings.HasPrefix(rel, "..") {
					return "", nil
				}
				return filepath.Join(f[4], rel), nil
			}
		}
	}
	return "", nil
}

// removeGroups removes a cgroup and those below it.
func removeGroups(dir string) error {
	var groups []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(groups)
	for _, g := range groups {
		if err := os.Remove(g); err != nil {
			return err
		}
	}
	return nil
}

// path returns a path of the machine as the test sees it.
func (m *machine) path(path string) string { return fmt.Sprintf("/proc/%d/root%s", m.pid, path) }

// command returns a command that runs on the machine, as root, in /shipped.
func (m *machine) command(args ...string) *exec.Cmd {
	return m.commandFor(m.t.Context(), args...)
}

func (m *machine) commandFor(ctx context.Context, args ...string) *exec.Cmd {
	in := []string{"--target", strconv.Itoa(m.pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup",
		"--wdns=/shipped", "--"}
	cmd := exec.CommandContext(ctx, "/usr/bin/nsenter", append(in, args...)...)
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin", "HOME=/root", "LC_ALL=C.UTF-8"}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs a command on the machine and returns what it printed and its exit status.
func (m *machine) run(args ...string) (string, int) {
	m.t.Helper()
	out, err := m.command(args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

// do runs a command that must succeed, and returns what it printed.
func (m *machine) do(args ...string) string {
	m.t.Helper()
	out, code := m.run(args...)
	if code != 0 {
		m.t.Fatalf("%s: exit status %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// show returns what systemd knows of a unit, by property.
func (m *machine) show(unit string) map[string]string {
	m.t.Helper()
	out := make(map[string]string)
	for sc := bufio.NewScanner(strings.NewReader(m.do("systemctl", "show", unit))); sc.Scan(); {
		key, value, _ := strings.Cut(sc.Text(), "=")
		out[key] = value
	}
	return out
}

// log returns the machine's log.
func (m *machine) log() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := m.commandFor(ctx, "journalctl", "--no-pager", "-o", "short-precise").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v\n%s", err, out)
	}
	return string(out)
}
