package client

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// FIFREEZE and FITHAW of linux/fs.h: every change waits in the kernel, and no signal
// ends the wait, until the file system is thawed.
const (
	freezeRequest = 0xc0045877
	thawRequest   = 0xc0045878
)

// freezable mounts a file system that can be frozen, until the test ends.
func freezable(t *testing.T) (dir string, request func(req uint)) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may mount a file system")
	}
	folder := t.TempDir()
	image, dir := filepath.Join(folder, "image"), filepath.Join(folder, "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 32<<20); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v: %s", command[0], err, out)
		}
	}
	t.Cleanup(func() {
		eventually(t, "the file system to be idle", func() bool { return unix.Unmount(dir, 0) == nil })
	})
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	request = func(req uint) {
		if err := unix.IoctlSetInt(int(root.Fd()), req, 0); err != nil && req == freezeRequest {
			t.Skip("freezing a file system:", err)
		}
	}
	t.Cleanup(func() {
		request(thawRequest) // it may be so already
		root.Close()
	})
	return dir, request
}

// A consumer in a system call that does not return is stalled, not gone; and a
// second interrupt ends the client all the same.
func TestFrozenFileSystem(t *testing.T) {
	disk, request := freezable(t)
	r := startClient(t, startCollector(t, orderly), func(c *Config) {
		c.StallAfter = 100 * time.Millisecond
		c.Consumers[0].Path = disk
		c.Consumers[0].FileSize = 256 << 10
	})
	pid := r.consumerPid(0)
	t.Cleanup(func() { request(thawRequest) }) // before the client's end is waited for
	request(freezeRequest)
	r.until("a stalled consumer", func(m *bulkheadv1.Message) bool {
		for _, answer := range m.GetHeartbeat().GetAnswers() {
			if int(answer.GetProcess().GetPid()) == pid && answer.GetState() == bulkheadv1.WorkerState_WORKER_STATE_STALLED && answer.GetStalledNano() > 0 {
				return true
			}
		}
		return false
	})
	stalled, _, _ := r.collector.snapshot()
	r.until("work of the other", func(m *bulkheadv1.Message) bool {
		return m.GetSeq() > uint64(len(stalled)) && m.GetProcess().GetIndex() == 1 && m.GetProgress().GetBytes() > 0
	})
	r.signals <- syscall.SIGINT
	r.signals <- syscall.SIGINT
	wait(t, "the client", r.done)
	problems := strings.Join(r.result.Problems, "\n")
	if r.result.ExitCode() != 3 || !strings.Contains(problems, "what stays is in "+disk) || !strings.Contains(problems, "consumer 0") {
		t.Errorf("Run = %+v; want the folder that stays and consumer 0", r.result)
	}
	exits := r.stop().GetExits()
	if exits[0].GetClass() != bulkheadv1.ExitClass_EXIT_CLASS_NEVER || exits[2].GetClass() == bulkheadv1.ExitClass_EXIT_CLASS_NEVER {
		t.Errorf("exits = %v; want only consumer 0 not ended", exits)
	}
	request(thawRequest)
	eventually(t, "the end of every process", func() bool { return len(livingBelow(r.cfg.WorkDir)) == 0 })
}
