package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"bulkhead/internal/testing/harness"
	"bulkhead/supervisor/report"
)

// processesKey is where a script's processes are in its values.
type processesKey struct{}

// processes are the programs that one script has started in the background.
type processes struct {
	environment []string
	running     map[string]*process
	ended       []*process
}

// process is one of them. What it prints goes to out and err.
type process struct {
	name     string
	cmd      *exec.Cmd
	out, err string // paths
	done     chan struct{}
	result   error // of cmd.Wait; read it after done is closed
}

func processesOf(ts *testscript.TestScript) *processes {
	return ts.Value(processesKey{}).(*processes)
}

// start starts a program in dir.
func (p *processes) start(name, dir string, command []string) error {
	if p.running[name] != nil {
		return fmt.Errorf("%s is running already", name)
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	one := &process{
		name: name, cmd: exec.Command(program, command[1:]...), done: make(chan struct{}),
		out: filepath.Join(dir, name+".out"), err: filepath.Join(dir, name+".err"),
	}
	stdout, err := os.Create(one.out)
	if err != nil {
		return err
	}
	defer stdout.Close()
	stderr, err := os.Create(one.err)
	if err != nil {
		return err
	}
	defer stderr.Close()
	one.cmd.Dir, one.cmd.Stdout, one.cmd.Stderr = dir, stdout, stderr
	one.cmd.Env = append(append([]string(nil), p.environment...), "PWD="+dir)
	if err := one.cmd.Start(); err != nil {
		return err
	}
	p.running[name] = one
	go func() { // ends with the process, at the latest in end
		one.result = one.cmd.Wait()
		close(one.done)
	}()
	return nil
}

// signal sends a signal, named as for kill(1).
func (p *processes) signal(name, signal string) error {
	one := p.running[name]
	if one == nil {
		return fmt.Errorf("%s is not running", name)
	}
	signals := map[string]syscall.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP,
		"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT, "USR1": syscall.SIGUSR1,
	}
	sig, ok := signals[signal]
	if !ok {
		return fmt.Errorf("%s is not a signal that can be sent", signal)
	}
	return one.cmd.Process.Signal(sig)
}

// await waits for the end of a process, which must be as want says: an exit status
// or the name of a signal.
func (p *processes) await(name, want string) error {
	one := p.running[name]
	if one == nil {
		return fmt.Errorf("%s is not running", name)
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-one.done:
	case <-late.C:
		return fmt.Errorf("%s (pid %d) has not ended in %s\n%s", name, one.cmd.Process.Pid, patience, one.printed())
	}
	delete(p.running, name)
	p.ended = append(p.ended, one)
	if got := one.status(); got != want {
		return fmt.Errorf("%s ended with %s; want %s\n%s", name, got, want, one.printed())
	}
	return nil
}

// status returns how the process ended: an exit status, or the name of a signal.
func (p *process) status() string {
	var exit *exec.ExitError
	if errors.As(p.result, &exit) {
		if w, ok := exit.Sys().(syscall.WaitStatus); ok && w.Signaled() {
			return map[syscall.Signal]string{syscall.SIGKILL: "KILL", syscall.SIGINT: "INT",
				syscall.SIGTERM: "TERM"}[w.Signal()]
		}
	}
	return exitStatus(p.result)
}

// printed returns what the process has printed, for whoever looks for an error.
func (p *process) printed() string {
	var text strings.Builder
	for _, path := range []string{p.out, p.err} {
		data, err := os.ReadFile(path)
		if err != nil {
			data = []byte(err.Error())
		}
		const head, tail = 2000, 3000 // a verdict stands at the head of a report
		if len(data) > head+tail {
			data = slices.Concat(data[:head], []byte("\n[…]\n"), data[len(data)-tail:])
		}
		fmt.Fprintf(&text, "%s:\n%s\n", filepath.Base(path), data)
	}
	return text.String()
}

// end kills what is still running, which is an error unless the script has failed
// anyway; then everything that was printed is shown.
func (p *processes) end(tb testing.TB) {
	failed := tb.Failed()
	for _, one := range p.running {
		if !failed {
			tb.Errorf("%s is still running at the end of the script", one.name)
		}
		_ = one.cmd.Process.Kill() // it may just have ended
		<-one.done
		p.ended = append(p.ended, one)
	}
	if !failed {
		return
	}
	for _, one := range p.ended {
		tb.Logf("%s (%s)\n%s", one.name, one.status(), one.printed())
	}
}

// reportLeftovers reports, and kills, processes that outlive a script. Every
// process of ours has one of the script's folders in its environment, if only as
// the place of its socket. Children of a process that was killed get a moment to
// notice.
func reportLeftovers(tb testing.TB, folders ...string) {
	var left []int
	for deadline := time.Now().Add(patience / 4); ; time.Sleep(pollEvery) {
		if left = livingIn(tb, folders); len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			break
		}
	}
	for _, pid := range left {
		tb.Errorf("process %d (%s) is left over", pid, harness.ProgramOf(pid))
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may just have ended
	}
}

// reportForbidden fails the test if a report in the folder says that a handler did what its sandbox
// forbids.
func reportForbidden(tb testing.TB, folder string) {
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "report.json" {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(`"class": "`+report.ExitSandbox+`"`)) {
			tb.Errorf("%s has a handler that did what its sandbox forbids; dmesg may name the call", path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrPermission) { // some scripts take their own away
		tb.Error(err)
	}
}

// livingIn lists the processes that have one of the folders, or a path in it, in
// their environment, without this one. Another script's folder whose name only
// begins alike is not meant.
func livingIn(tb testing.TB, folders []string) []int {
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		tb.Fatal(err)
	}
	var pids []int
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it is gone, or another user's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		for _, folder := range folders {
			if bytes.Contains(data, []byte(folder+"/")) || bytes.Contains(data, []byte(folder+"\x00")) {
				pids = append(pids, pid)
				break
			}
		}
	}
	sort.Ints(pids)
	return pids
}
