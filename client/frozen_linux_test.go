package client

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/client/names"
	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/testing/frozen"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A consumer in a system call that does not return is stalled, not gone; and a
// second interrupt ends the client all the same.
func TestFrozenFileSystem(t *testing.T) {
	disk := frozen.New(t)
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		c.StallAfter = 100 * time.Millisecond
		c.Consumers[0].Path = disk.Path
		c.Consumers[0].FileSize = 256 << 10
	})
	pid := r.consumerPid(0)
	t.Cleanup(disk.Thaw) // before the client's end is waited for
	disk.Freeze()
	r.until("a stalled consumer", func(m *bulkheadv1.Message) bool {
		for _, answer := range m.GetHeartbeat().GetAnswers() {
			if int(answer.GetProcess().GetPid()) == pid &&
				answer.GetState() == bulkheadv1.WorkerState_WORKER_STATE_STALLED && answer.GetStalledNano() > 0 {
				return true
			}
		}
		return false
	})
	stalled, _, _ := r.collector.Snapshot()
	r.until("work of the other", func(m *bulkheadv1.Message) bool {
		return m.GetSeq() > uint64(len(stalled)) && m.GetProcess().GetIndex() == 1 && m.GetProgress().GetBytes() > 0
	})
	r.signals <- syscall.SIGINT
	r.signals <- syscall.SIGINT
	scripted.Wait(t, "the client", r.done)
	problems := strings.Join(r.result.Problems, "\n")
	if r.result.ExitCode() != 3 || !strings.Contains(problems, "what is left is in "+disk.Path) ||
		!strings.Contains(problems, "consumer 0") {
		t.Errorf("Run = %+v; want the folder that stays and consumer 0", r.result)
	}
	exits := r.stop().GetExits()
	if exits[0].GetClass() != bulkheadv1.ExitClass_EXIT_CLASS_NEVER ||
		exits[2].GetClass() == bulkheadv1.ExitClass_EXIT_CLASS_NEVER {
		t.Errorf("exits = %v; want only consumer 0 not ended", exits)
	}
	disk.Thaw()
	scripted.Eventually(t, "the end of every process",
		func() bool { return len(scripted.LivingBelow(r.cfg.WorkDir)) == 0 })
}

// A file system that does not answer at the end holds the client up for no longer than it
// says: who is waited for is said, who never ended is reported, and the folder that stays is
// named, with the record by which the next client removes it.
func TestFrozenAtTheEnd(t *testing.T) {
	disk := frozen.New(t)
	r := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		c.StallAfter, c.KillTimeout = 100*time.Millisecond, 4*time.Second
		c.Consumers[0].Path = disk.Path
		c.Consumers[0].FileSize = 256 << 10
	})
	pid := r.consumerPid(0)
	t.Cleanup(disk.Thaw) // before the client's end is waited for
	disk.Freeze()
	r.until("a stalled consumer", func(m *bulkheadv1.Message) bool {
		for _, answer := range m.GetHeartbeat().GetAnswers() {
			if int(answer.GetProcess().GetPid()) == pid &&
				answer.GetState() == bulkheadv1.WorkerState_WORKER_STATE_STALLED {
				return true
			}
		}
		return false
	})
	r.signals <- syscall.SIGINT // once
	r.log.Await(t, "waiting for consumer 0 to close its files on "+disk.Path+"; ")
	r.log.Await(t, "waiting for the system to end consumer 0, killed in a system call on "+disk.Path+
		" that does not return; ")
	scripted.Wait(t, "the client", r.done)
	problems := strings.Join(r.result.Problems, "\n")
	if r.result.ExitCode() != 3 || !strings.Contains(problems, "what is left is in "+disk.Path) ||
		!strings.Contains(problems, "consumer 0") {
		t.Errorf("Run = %+v; want the folder that stays and consumer 0", r.result)
	}
	if exits := r.stop().GetExits(); exits[0].GetClass() != bulkheadv1.ExitClass_EXIT_CLASS_NEVER ||
		exits[1].GetClass() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN {
		t.Errorf("exits = %v; want only consumer 0 not ended", exits)
	}
	left, _ := filepath.Glob(filepath.Join(disk.Path, "bulkhead-*", names.Record))
	if len(left) != 1 {
		t.Fatalf("%d records stay; want that of the client", len(left))
	}
	disk.Thaw() // from here on its remover continues
	scripted.Eventually(t, "the end of every process",
		func() bool { return len(scripted.LivingBelow(r.cfg.WorkDir)) == 0 })
	if left, _ := filepath.Glob(filepath.Join(r.cfg.Consumers[1].Path, "bulkhead-*")); len(left) != 0 {
		t.Errorf("left where everything answers: %v", left)
	}
	scripted.Eventually(t, "its remover to end", func() bool { return !anyArgument(disk.Path) })
	next := startClient(t, scripted.Start(t, scripted.Orderly), func(c *spec.Config) {
		c.Name = "next"
		c.Consumers[0].Path = disk.Path
		c.Consumers[0].FileSize = 256 << 10
	})
	next.consumerPid(0)
	next.signals <- syscall.SIGINT
	scripted.Wait(t, "the next client", next.done)
	if left, _ := filepath.Glob(filepath.Join(disk.Path, "*")); len(left) > 1 { // lost+found
		t.Errorf("left: %v", left)
	}
}

// A file system that stops to answer while load files are removed holds nobody up either.
func TestFrozenWhileRemoving(t *testing.T) {
	disk := frozen.New(t)
	folder := filepath.Join(disk.Path, names.WorkDirPrefix+"a-1")
	if err := os.MkdirAll(filepath.Join(folder, "consumer-0"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "consumer-0", "load-00000000.dat"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	disk.Freeze()
	log := new(scripted.LogLines)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := site.Removal{Executable: executable, Paths: []string{folder}, Stall: 100 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(log, nil))}
	err = r.Run(t.Context(), func() { t.Error("left, although nothing was removed") })
	if err == nil || !strings.Contains(err.Error(), "what is left is in "+folder) {
		t.Errorf("run = %v; want the folder that stays", err)
	}
	disk.Thaw()
}

// anyArgument reports whether a process has an argument that contains text.
func anyArgument(text string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		if args, err := os.ReadFile(file); err == nil && strings.Contains(string(args), text) {
			return true
		}
	}
	return false
}
