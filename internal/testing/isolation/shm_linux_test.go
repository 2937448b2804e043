package isolation_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
)

// Whoever fills the memory that programs share keeps no client out: handlers that start then have
// their sockets in the state directory, where the next supervisor finds them, too.
func TestAFullSharedMemoryKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	state := onDisk(t)
	s := startCommand(t, sharing(t, 1024)(command(state)))
	if !strings.HasPrefix(s.sockets, "/dev/shm/") {
		t.Errorf("sockets are in %s; want them in memory", s.sockets)
	}
	first := bystander(t, s, rawclient.Hello("first"))
	inside := fmt.Sprintf("/proc/%d/root", s.Pid())
	mounts, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", s.Pid()))
	expect.NoError(t, err)
	defer mounts.Close()
	fill(t, filepath.Join(inside, "dev/shm"))
	var later []*load
	for i := range 12 { // more than were ready
		later = append(later, startLoad(t, s, rawclient.Hello(fmt.Sprintf("later-%d", i)), uint32(i), 8, 1))
	}
	for _, l := range later {
		l.goesOn(t)
	}
	if left, err := os.ReadDir(filepath.Join(state, "sock.disk")); err != nil || len(left) == 0 {
		t.Errorf("beside a full memory the state directory has the sockets %v, %v", left, err)
	}
	before := make(map[*load]int)
	for _, l := range append(later, first) {
		before[l] = l.resumed()
	}
	s.Kill()
	again := command(state)
	again.Args = append([]string{"nsenter", fmt.Sprintf("--mount=/proc/self/fd/%d", 3), again.Path}, again.Args[1:]...)
	again.Path, err = exec.LookPath("nsenter")
	expect.NoError(t, err)
	again.ExtraFiles = []*os.File{mounts}
	next := startCommand(t, again)
	sent := make(map[*load]uint64)
	for l, resumes := range before {
		l.goesOn(t)
		if l.resumed() > resumes {
			t.Errorf("%s had to come back; want its handler to be adopted", l.hello.GetName())
		}
		sent[l] = l.finish(t)
	}
	next.finish(exitComplete)
	journalled(t, next, sent)
	for _, left := range []string{"sock", "sock.disk"} {
		if _, err := os.Lstat(filepath.Join(state, left)); err == nil {
			t.Errorf("%s is left in the state directory", left)
		}
	}
}

// A shared memory that is full already is no reason not to begin.
func TestAFullSharedMemoryAtTheBegin(t *testing.T) {
	t.Parallel()
	s := startCommand(t, sharing(t, 1)(command(onDisk(t))))
	l := bystander(t, s, rawclient.Hello("client"))
	sent := l.finish(t)
	s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{l: sent})
}

// A folder in memory that the service manager has made for the supervisor alone is where sockets are.
func TestSocketsAreInTheServicesFolder(t *testing.T) {
	t.Parallel()
	state := onDisk(t)
	own, err := os.MkdirTemp("/dev/shm", "own-")
	expect.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(own) })
	cmd := command(state)
	cmd.Env = append(cmd.Environ(), "RUNTIME_DIRECTORY="+own)
	s := startCommand(t, cmd)
	if filepath.Dir(s.sockets) != own {
		t.Errorf("sockets are in %s; want them in %s", s.sockets, own)
	}
	bystander(t, s, rawclient.Hello("client")).finish(t)
	s.finish(exitComplete)
	if left, err := os.ReadDir(own); err != nil || len(left) > 0 {
		t.Errorf("of its sockets are left %v, %v", left, err)
	}
}

// onDisk returns a state directory that is not in memory. It skips the test where there is none, or
// this user's sockets are not in memory.
func onDisk(t *testing.T) string {
	t.Helper()
	state := newStateDir(t)
	var st unix.Statfs_t
	expect.NoError(t, unix.Statfs(filepath.Dir(state), &st))
	if st.Type == unix.TMPFS_MAGIC || os.Getuid() >= 1000 {
		t.Skip("temporary folders are in memory here, or sockets are not")
	}
	expect.NoError(t, unix.Statfs("/dev/shm", &st))
	if st.Type != unix.TMPFS_MAGIC {
		t.Skip("/dev/shm is not in memory here")
	}
	return state
}

// sharing returns what makes a command see a shared memory of its own with so many inodes.
func sharing(t *testing.T, inodes int) func(stateCommand) stateCommand {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root mounts")
	}
	script := `mount --make-rprivate / && mount -t tmpfs -o nr_inodes=` + strconv.Itoa(inodes) +
		` tmpfs /dev/shm && exec "$@"`
	return func(cmd stateCommand) stateCommand {
		cmd = wrapped(script)(cmd)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		return cmd
	}
}

// fill takes the last inode of a file system.
func fill(t *testing.T, dir string) {
	t.Helper()
	for i := 0; ; i++ {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("another's-%d", i)))
		if err != nil {
			return
		}
		f.Close()
	}
}
