package isolation_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
)

// A handler that waits for a client.
var warmDescriptors = []string{
	"/dev/null",                                      // 0, stdin
	"anon_inode:[eventfd]", "anon_inode:[eventpoll]", // Go's network poller
	"pipe", "pipe", // 1 and 2, both stderr, to the supervisor
	"memfd bulkhead-box", // 4, its black box
	"socket unix",        // the line to the supervisor
	"socket unix",        // the listener of its gRPC server
	"socket unix",        // the supervisor's connection to that
}

// A handler that serves a client.
var connectedDescriptors = append([]string{"socket tcp"}, warmDescriptors...)

// What a handler gets is listed here and nothing else, however the supervisor was
// started: no file, socket or secret of the supervisor or of another handler.
func TestHandlerInheritsNothingButItsOwn(t *testing.T) {
	t.Parallel()
	const secret = "do-not-pass-on"
	cmd := command(newStateDir(t), "--handler-pool", "2")
	cmd.Env = append(os.Environ(), "BULKHEAD_TOKEN="+token, "AWS_SECRET_ACCESS_KEY="+secret, "GODEBUG=madvdontneed=1",
		"LD_LIBRARY_PATH=/"+secret)
	cmd.ExtraFiles = strayFiles(t)
	s := startCommand(t, cmd)
	hello := rawclient.Hello("alpha")
	hello.Token = token
	c := s.dial()
	greet(t, c, hello)
	s.settled(1, 2)

	connected := int(s.session("alpha").GetHandlerPid())
	handlers := s.handlers()
	if len(handlers) != 3 || !slices.Contains(handlers, connected) {
		t.Fatalf("handlers = %v; want two warm ones and %d", handlers, connected)
	}
	for _, pid := range handlers {
		score, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
		expect.NoError(t, err)
		if n, err := strconv.Atoi(strings.TrimSpace(string(score))); err != nil || n < 500 {
			t.Errorf("handler %d has oom_score_adj %q; want 500 at least, so that it goes before its supervisor", pid,
				score)
		}
		want := warmDescriptors
		if pid == connected {
			want = connectedDescriptors
		}
		t.Run(fmt.Sprintf("connected=%t", pid == connected), func(t *testing.T) {
			descriptors(t, pid, want)
			for _, other := range append(s.handlers(), s.Pid()) {
				if other != pid {
					shared(t, s, pid, other)
				}
			}
			environment(t, s, pid)
			place(t, pid)
		})
	}
	say(t, c)
	s.finish(exitComplete)
}

// strayFiles returns descriptors that a careless parent leaves open in a supervisor.
func strayFiles(t *testing.T) []*os.File {
	t.Helper()
	r, w, err := os.Pipe()
	expect.NoError(t, err)
	file, err := os.Create(filepath.Join(t.TempDir(), "secret"))
	expect.NoError(t, err)
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	expect.NoError(t, err)
	files := []*os.File{r, w, file, os.NewFile(uintptr(pair[0]), "a"), os.NewFile(uintptr(pair[1]), "b")}
	t.Cleanup(func() {
		for _, f := range files {
			f.Close()
		}
	})
	return files
}

// descriptors compares what a process has open with the list.
func descriptors(t *testing.T, pid int, want []string) {
	t.Helper()
	files := openFiles(t, pid)
	var got []string
	for _, target := range files {
		got = append(got, kindOf(t, pid, target))
	}
	slices.Sort(got)
	if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		t.Errorf("descriptors = %v\nwant          %v\nin full:      %v", got, want, files)
	}
	if files[0] != "/dev/null" {
		t.Errorf("stdin = %s; want /dev/null", files[0])
	}
}

// openFiles returns a process's descriptors, but for the two files from which Go's
// runtime reads the processor limit, if the machine sets one.
func openFiles(t *testing.T, pid int) map[int]string {
	t.Helper()
	files, err := harness.OpenFiles(pid)
	expect.NoError(t, err)
	for fd, target := range files {
		if strings.HasPrefix(target, "/sys/fs/cgroup/") {
			delete(files, fd)
		}
	}
	return files
}

// kindOf returns what a descriptor points at, without what differs from run to run.
func kindOf(t *testing.T, pid int, target string) string {
	t.Helper()
	if strings.HasPrefix(target, "pipe:") {
		return "pipe"
	}
	if name, ok := strings.CutPrefix(target, "/memfd:"); ok {
		return "memfd " + strings.Fields(name)[0]
	}
	inode, ok := strings.CutPrefix(target, "socket:[")
	if !ok {
		return target
	}
	inode = strings.TrimSuffix(inode, "]")
	for family, column := range map[string]int{"tcp": 9, "tcp6": 9, "unix": 6} {
		data, err := os.ReadFile("/proc/net/" + family)
		expect.NoError(t, err)
		// What a handler has made itself is in its own network namespace.
		own, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, family))
		expect.NoError(t, err)
		for line := range strings.Lines(string(data) + string(own)) {
			if f := strings.Fields(line); len(f) > column && f[column] == inode {
				return "socket " + family
			}
		}
	}
	return "socket of an unknown family"
}

// shared checks that a handler has nothing open that another process has, but for
// the pipes of its stdout and stderr, whose other ends are the supervisor's, and its
// black box, which the supervisor reads.
func shared(t *testing.T, s *running, pid, other int) {
	t.Helper()
	theirs := openFiles(t, other)
	for fd, target := range openFiles(t, pid) {
		ends := other == s.Pid() && (fd == 1 || fd == 2 || fd == 4)
		common := target == "/dev/null" || strings.HasPrefix(target, "anon_inode:")
		if ends || common {
			continue
		}
		for _, their := range theirs {
			if target == their {
				t.Errorf("handler %d has %s open as descriptor %d, and so has process %d", pid, target, fd, other)
			}
		}
	}
}

// environment compares a handler's environment with the list.
func environment(t *testing.T, s *running, pid int) {
	t.Helper()
	got, err := harness.Environment(pid)
	expect.NoError(t, err)
	for i, entry := range got {
		if strings.HasPrefix(entry, "PLUGIN_UNIX_SOCKET_DIR="+s.sockets+"/plugin-dir") {
			got[i] = "PLUGIN_UNIX_SOCKET_DIR=(its own)"
		}
		if strings.HasPrefix(entry, "BULKHEAD_SANDBOX=level=best-effort ") {
			got[i] = "BULKHEAD_SANDBOX=(its order)"
		}
	}
	slices.Sort(got)
	want := []string{
		"BULKHEAD_CHILD=1", "BULKHEAD_SANDBOX=(its order)", "GOMAXPROCS=1", "GOMEMLIMIT=67108864",
		"PLUGIN_MAX_PORT=25000", "PLUGIN_MIN_PORT=10000", "PLUGIN_PROTOCOL_VERSIONS=2",
		"PLUGIN_UNIX_SOCKET_DIR=(its own)",
	}
	if raceEnabled {
		want = slices.Insert(want, 4, "GORACE=atexit_sleep_ms=10")
	}
	if !slices.Equal(got, want) {
		t.Errorf("environment = %v\nwant          %v", got, want)
	}
}

// place checks a handler's process group, working directory and arguments.
func place(t *testing.T, pid int) {
	t.Helper()
	group, err := syscall.Getpgid(pid)
	expect.NoError(t, err)
	dir, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd")
	expect.NoError(t, err)
	root, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/root")
	expect.NoError(t, err)
	args, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	expect.NoError(t, err)
	if group != pid || dir != root || bytes.Count(args, []byte{0}) != 1 {
		t.Errorf("process group %d, working directory %s, arguments %q; want %d, its root %s and the program alone",
			group, dir, args, pid, root)
	}
}
