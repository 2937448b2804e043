package monitor

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// oneTarget returns the target of a pid.
func oneTarget(t *testing.T, folder string, pid int) *target {
	t.Helper()
	list, err := newTargets(folder, request(time.Second, pid).GetMonitor().GetTargets())
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// reason samples and returns the reason of the error that must come.
func reason(t *testing.T, sampled *target) string {
	t.Helper()
	m := sampled.message()
	if m.GetMonitorError() == nil {
		t.Fatalf("%v, want an error", m)
	}
	return m.GetMonitorError().GetReason()
}

// TestValues compares the sample of a busy process with what that process and
// the kernel say of it otherwise.
func TestValues(t *testing.T) {
	file := filepath.Join(t.TempDir(), "written")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=busy", "BULKHEAD_TEST_FILE="+file)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close() // ends it
	said, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var user, system int64 // microseconds of processor time it has seen itself use
	if _, err := fmt.Sscan(said, &user, &system); err != nil {
		t.Fatal(err)
	}
	m := oneTarget(t, "/proc", cmd.Process.Pid).message()
	age := time.Since(began)
	sample := m.GetMonitor()
	if sample == nil {
		t.Fatal(m)
	}
	if sample.GetWrittenBytes() < busyBytes || sample.GetWrittenBytes() > busyBytes+1000 {
		t.Errorf("wrote %d bytes, want %d and a line", sample.GetWrittenBytes(), busyBytes)
	}
	if used, want := time.Duration(sample.GetUserCpuNano()), time.Duration(user)*time.Microsecond; used < want-2*tick {
		t.Errorf("user time %v, and the process had used %v before", used, want)
	}
	if cpu := time.Duration(sample.GetUserCpuNano() +
		sample.GetSystemCpuNano()); cpu > time.Duration(runtime.NumCPU())*age+4*tick {
		t.Errorf("processor time %v in %v", cpu, age)
	}
	if sample.GetResidentBytes() < busyMemory {
		t.Errorf("%d bytes resident, and it holds %d", sample.GetResidentBytes(), busyMemory)
	}
	if elapsed := time.Duration(sample.GetElapsedNano()); elapsed <= 0 || elapsed > age+2*tick {
		t.Errorf("elapsed %v, and it was started %v ago", elapsed, age)
	}
	if sample.GetThreads() < 2 {
		t.Errorf("%d threads of a Go program", sample.GetThreads())
	}
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid))
	if err != nil || int(sample.GetFds()) != len(list) {
		t.Errorf("%d descriptors, want %d (%v)", sample.GetFds(), len(list), err)
	}
}

const (
	busyBytes  = 3 << 20
	busyMemory = 32 << 20
)

// busy runs as a process that uses all that is sampled, prints how much processor time it has used,
// and waits for the end of its input.
func busy() {
	held := bytes.Repeat([]byte{1}, busyMemory)
	if err := os.WriteFile(os.Getenv("BULKHEAD_TEST_FILE"), held[:busyBytes], 0o600); err != nil {
		fmt.Println(err)
		return
	}
	var usage syscall.Rusage
	for usage.Utime.Nano() < int64(100*time.Millisecond) {
		for i := range held {
			held[i]++
		}
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(usage.Utime.Nano()/1000, usage.Stime.Nano()/1000)
	os.Stdin.Read(held[:1])
}

// TestEndOfAProcess follows one from life over its unwaited end to nothing.
func TestEndOfAProcess(t *testing.T) {
	cmd := sleeper(t)
	pid := cmd.Process.Pid
	sampled := oneTarget(t, "/proc", pid)
	if m := sampled.message(); m.GetMonitor() == nil {
		t.Fatalf("alive: %v", m)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var ended unix.Siginfo
	err := error(unix.EINTR)
	for err == unix.EINTR {
		err = unix.Waitid(unix.P_PID, pid, &ended, unix.WEXITED|unix.WNOWAIT, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if text, want := reason(t, sampled), fmt.Sprintf("process %d has ended", pid); !strings.HasPrefix(text, want) {
		t.Errorf("ended: %q, want %q", text, want)
	}
	cmd.Wait()
	if text, want := reason(t, sampled), fmt.Sprintf("process %d is gone", pid); text != want {
		t.Errorf("waited for: %q, want %q", text, want)
	}
}

func TestNeverStarted(t *testing.T) {
	if text := reason(t, oneTarget(t, "/proc", 0)); text != "the process was never started" {
		t.Errorf("%q", text)
	}
}

// TestPidReused shows the monitor a proc folder in which a pid passes to another
// process: the real entry of this process, with another start time.
func TestPidReused(t *testing.T) {
	folder := t.TempDir()
	pid := os.Getpid()
	copyProcess(t, folder, pid, 0)
	sampled := oneTarget(t, folder, pid)
	if m := sampled.message(); m.GetMonitor() == nil {
		t.Fatalf("before: %v", m)
	}
	copyProcess(t, folder, pid, 5)
	if text := reason(t, sampled); !strings.Contains(text, "pid reused") || !strings.Contains(text, strconv.Itoa(pid)) {
		t.Errorf("%q", text)
	}
}

// TestPidTakenAfterTheFirstRound finds no process at first and a stranger later.
func TestPidTakenAfterTheFirstRound(t *testing.T) {
	folder := t.TempDir()
	pid := os.Getpid()
	sampled := oneTarget(t, folder, pid)
	if text := reason(t, sampled); text != fmt.Sprintf("process %d is gone", pid) {
		t.Errorf("%q", text)
	}
	copyProcess(t, folder, pid, 0)
	if text := reason(t, sampled); !strings.Contains(text, "pid reused") {
		t.Errorf("%q", text)
	}
}

// copyProcess copies what is sampled of a process, its start time put off by so
// many ticks.
func copyProcess(t *testing.T, folder string, pid, later int) {
	t.Helper()
	from, to := fmt.Sprintf("/proc/%d", pid), filepath.Join(folder, strconv.Itoa(pid))
	if err := os.MkdirAll(filepath.Join(to, "fd", "0"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"stat", "io"} {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "stat" {
			end := bytes.LastIndexByte(content, ')')
			fields := strings.Fields(string(content[end+1:]))
			started, err := strconv.Atoi(fields[19]) // field 22 of stat
			if err != nil {
				t.Fatal(err)
			}
			fields[19] = strconv.Itoa(started + later)
			content = append(content[:end+2:end+2], strings.Join(fields, " ")+"\n"...)
		}
		if err := os.WriteFile(filepath.Join(to, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPermissionDenied samples a process of root from one of nobody.
func TestPermissionDenied(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become somebody else")
	}
	binary, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	cmd := exec.Command("/proc/self/fd/3") // nobody may not enter the folder it lies in
	cmd.ExtraFiles = []*os.File{binary}
	cmd.Dir = "/"
	cmd.Env = []string{childEnv + "=explain", fmt.Sprintf("BULKHEAD_TEST_PID=%d", os.Getpid())}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := cmd.CombinedOutput()
	want := fmt.Sprintf("permission denied reading /proc/%d/io\n", os.Getpid())
	if err != nil || string(output) != want {
		t.Errorf("%q (%v), want %q", output, err, want)
	}
}

// explain runs as a process that samples another and prints the result.
func explain() {
	pid, err := strconv.Atoi(os.Getenv("BULKHEAD_TEST_PID"))
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := newTargets("/proc", []*bulkheadv1.Process{{Pid: int32(pid)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	m := list[0].message()
	fmt.Println(m.GetMonitorError().GetReason())
}

// TestOneErrorARound mixes a target that is gone with one that is alive.
func TestOneErrorARound(t *testing.T) {
	gone := sleeper(t)
	gone.Process.Kill()
	gone.Wait()
	client := dial(t, New(Options{}))
	stream := start(t, client, request(minInterval, gone.Process.Pid, os.Getpid()))
	next(t, stream)
	for round := range 3 {
		if m := next(t, stream); m.GetMonitorError() == nil || m.GetProcess().GetPid() != int32(gone.Process.Pid) {
			t.Errorf("round %d: %v, want an error of %d", round, m, gone.Process.Pid)
		}
		if m := next(t, stream); m.GetMonitor() == nil || m.GetProcess().GetPid() != int32(os.Getpid()) {
			t.Errorf("round %d: %v, want a sample of %d", round, m, os.Getpid())
		}
	}
	kill(t, client)
	rest(t, stream)
}
