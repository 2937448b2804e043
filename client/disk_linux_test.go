package client

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/spec"
	"bulkhead/internal/testing/scripted"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// onDisk lets every consumer of a client write to dir.
func onDisk(dir string, stop ...bool) func(*spec.Config) {
	return func(c *spec.Config) {
		c.Consumers = nil
		for _, s := range stop {
			one := scripted.Load(dir, 64<<10, 256<<10, 1)
			one.StopOnError = s
			c.Consumers = append(c.Consumers, one)
		}
	}
}

// fillUp takes all the space there is, also what becomes free, until free.
func fillUp(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "foreign")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	enough := make(chan struct{})
	var filling sync.WaitGroup
	filling.Go(func() { // ended by free
		block, pause := make([]byte, 1<<20), time.NewTicker(time.Millisecond)
		defer pause.Stop()
		for {
			_, err := file.Write(block)
			if err == nil {
				continue
			}
			block = block[:max(4096, len(block)/2)]
			select {
			case <-pause.C:
			case <-enough:
				return
			}
		}
	})
	free = sync.OnceFunc(func() {
		close(enough)
		filling.Wait()
		if err := errors.Join(file.Close(), os.Remove(path)); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(free)
	return free
}

// failure waits until a consumer tells an error with these words.
func (r *running) failure(index uint32, words string) {
	r.t.Helper()
	r.until("an error with "+words, func(m *bulkheadv1.Message) bool {
		return m.GetProcess().GetIndex() == index && strings.Contains(m.GetProgress().GetLastError(), words)
	})
}

// worksAgain waits until the log says that consumer 0 works again.
func (r *running) worksAgain() {
	r.t.Helper()
	r.log.Await(r.t, "consumer 0: writes work again after ")
	if log := r.log.String(); strings.Count(log, "consumer 0: writes fail: ") != 1 {
		r.t.Errorf("a row of errors is not told once:\n%s", log)
	}
}

// endsWithErrors ends the client, which must tell its errors.
func (r *running) endsWithErrors(words string) Result {
	r.t.Helper()
	r.signals <- syscall.SIGINT
	result := r.end()
	if result.ExitCode() != 3 || result.Errors == 0 || !strings.Contains(strings.Join(result.Problems, "\n"), words) {
		r.t.Errorf("Run = %+v; want errors with %q", result, words)
	}
	return result
}

func TestDiskFullInMidRun(t *testing.T) {
	disk := scripted.SmallDisk(t)
	r := startClient(t, scripted.Start(t, scripted.Orderly), onDisk(disk, false, true))
	r.consumerPid(0)
	pid := r.consumerPid(1)
	free := fillUp(t, disk)
	r.failure(0, "no space left on device")
	r.log.Await(t, fmt.Sprintf("consumer 1 (pid %d) has ended its work: stopped at its first error, as on_error says: ",
		pid))
	free()
	r.worksAgain()
	result := r.endsWithErrors("no space left on device")
	exits := r.stop().GetExits()
	if len(result.CrashedWorkers) != 1 || !strings.Contains(result.CrashedWorkers[0], "consumer 1 ") ||
		!strings.Contains(result.CrashedWorkers[0], "no space left on device") {
		t.Errorf("crashed = %q; want consumer 1 with its error", result.CrashedWorkers)
	}
	if exits[0].GetClass() != bulkheadv1.ExitClass_EXIT_CLASS_CLEAN ||
		exits[1].GetClass() != bulkheadv1.ExitClass_EXIT_CLASS_CRASH ||
		exits[1].GetExitCode() != 1 || !strings.HasPrefix(exits[1].GetCause(), "stopped at its first error") {
		t.Errorf("exits = %v; want consumer 1 failed", exits)
	}
}

func TestLoadEndsWhenEveryConsumerHasStoppedAtAnError(t *testing.T) {
	disk := scripted.SmallDisk(t)
	r := startClient(t, scripted.Start(t, scripted.Orderly), onDisk(disk, true, true))
	r.consumerPid(0)
	r.consumerPid(1)
	fillUp(t, disk)
	result := r.end()
	if result.ExitCode() != 3 || !strings.HasPrefix(result.Detail, "no consumer is left; the last, consumer ") ||
		len(result.CrashedWorkers) != 2 || !result.Delivered {
		t.Errorf("Run = %+v; want no consumer left", result)
	}
}

// A path that is gone is not made again: it may have been a file system.
func TestPathRemovedInMidRun(t *testing.T) {
	disk := scripted.SmallDisk(t)
	r := startClient(t, scripted.Start(t, scripted.Orderly), onDisk(disk, false))
	r.consumerPid(0)
	folders, err := filepath.Glob(filepath.Join(disk, "bulkhead-*", "consumer-0"))
	if err != nil || len(folders) != 1 {
		t.Fatalf("folders %v, %v", folders, err)
	}
	away := filepath.Join(disk, "away")
	if err := os.Rename(folders[0], away); err != nil {
		t.Fatal(err)
	}
	r.failure(0, "no such file or directory")
	if _, err := os.Stat(folders[0]); !os.IsNotExist(err) {
		t.Errorf("the folder was made again: %v", err)
	}
	if err := os.RemoveAll(away); err != nil { // it is no longer the client's
		t.Fatal(err)
	}
	if err := os.Mkdir(folders[0], 0o700); err != nil {
		t.Fatal(err)
	}
	r.worksAgain()
	r.endsWithErrors("no such file or directory")
}

func TestReadOnlyInMidRun(t *testing.T) {
	disk := scripted.SmallDisk(t)
	r := startClient(t, scripted.Start(t, scripted.Orderly), onDisk(disk, false))
	r.consumerPid(0)
	scripted.Eventually(t, "a moment without an open file", func() bool {
		err := unix.Mount("none", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=16m")
		if err != nil && !errors.Is(err, unix.EBUSY) {
			t.Fatal(err)
		}
		return err == nil
	})
	r.failure(0, "read-only file system")
	if err := unix.Mount("none", disk, "", unix.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	r.worksAgain()
	r.endsWithErrors("read-only file system")
}

// Load files that cannot be removed are named.
func TestReadOnlyToTheEnd(t *testing.T) {
	disk := scripted.SmallDisk(t)
	r := startClient(t, scripted.Start(t, scripted.Orderly), onDisk(disk, false))
	r.consumerPid(0)
	scripted.Eventually(t, "a moment without an open file", func() bool {
		return unix.Mount("none", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=16m") == nil
	})
	r.failure(0, "read-only file system")
	r.signals <- syscall.SIGINT
	scripted.Wait(t, "the client", r.done)
	if text := strings.Join(r.result.Problems, "\n"); r.result.ExitCode() != 3 ||
		!strings.Contains(text, "load files are left in "+disk) {
		t.Errorf("Run = %+v; want the files that stay", r.result)
	}
	if err := unix.Mount("none", disk, "", unix.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
}

func TestPermissionLostInMidRun(t *testing.T) {
	// Root may write anywhere, but not to what is immutable; where that cannot be
	// set, permission cannot be lost either.
	disk := scripted.SmallDisk(t)
	r := startClient(t, scripted.Start(t, scripted.Orderly), onDisk(disk, false))
	r.consumerPid(0)
	folders, _ := filepath.Glob(filepath.Join(disk, "bulkhead-*", "consumer-0"))
	immutable(t, folders[0], true)
	t.Cleanup(func() { immutable(t, folders[0], false) }) // before the end, so that it can be removed
	r.failure(0, "operation not permitted")
	immutable(t, folders[0], false)
	r.worksAgain()
	r.endsWithErrors("operation not permitted")
}

// immutable forbids, or allows, every change to a folder.
func immutable(t *testing.T, path string, on bool) {
	t.Helper()
	folder, err := os.Open(path)
	if os.IsNotExist(err) {
		return // removed already
	}
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	flags, err := unix.IoctlGetUint32(int(folder.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		flags &^= immutableFlag
		if on {
			flags |= immutableFlag
		}
		err = unix.IoctlSetPointerInt(int(folder.Fd()), unix.FS_IOC_SETFLAGS, int(flags))
	}
	if err != nil {
		t.Skip("making a folder immutable:", err)
	}
}

func TestFaultsAreToldOnceForARow(t *testing.T) {
	log := new(scripted.LogLines)
	f := faults{name: "consumer 7", log: scripted.TextLog(log)}
	now := time.Now()
	progress := func(errors, bytes uint64) {
		now = now.Add(time.Second)
		f.watch(
			&bulkheadv1.Message{Fact: &bulkheadv1.Message_Progress{
				Progress: &bulkheadv1.Progress{Errors: errors, Bytes: bytes, LastError: "no space"}}}, now)
	}
	progress(0, 10)
	progress(3, 10)
	progress(0, 0) // a pause
	progress(4, 0)
	f.watch(&bulkheadv1.Message{}, now)
	progress(0, 10)
	progress(0, 10)
	if text := log.String(); strings.Count(text, "\n") != 2 ||
		!strings.Contains(text, "consumer 7: writes fail: no space") ||
		!strings.Contains(text, "consumer 7: writes work again after 7 errors in 3s") {
		t.Errorf("log:\n%s", text)
	}
}

// TestReadingBackIsNotWriting writes files that cannot be read back while writing works, and then
// does not.
func TestReadingBackIsNotWriting(t *testing.T) {
	log := new(scripted.LogLines)
	f := faults{name: "consumer 7", log: scripted.TextLog(log)}
	now := time.Now()
	for _, p := range []*bulkheadv1.Progress{
		{Errors: 1, Bytes: 10, VerifyErrors: 1, LastError: "verify: it is a symbolic link"},
		{Bytes: 10},
		{Errors: 1, Bytes: 10, VerifyErrors: 1, LastError: "no such file"},
		{Errors: 2, VerifyErrors: 1, LastError: "verify: no space"},
		{Bytes: 10},
	} {
		now = now.Add(time.Second)
		f.watch(&bulkheadv1.Message{Fact: &bulkheadv1.Message_Progress{Progress: p}}, now)
	}
	text := log.String()
	for _, want := range []string{
		"consumer 7: reading back fails: it is a symbolic link", "consumer 7: reading back fails: no such file",
		"consumer 7: writes and reading back fail, the last: verify: no space",
		"consumer 7: writes work again after 2 errors in 1s",
	} {
		if strings.Count(text, want) != 1 || strings.Count(text, "\n") != 4 {
			t.Errorf("not once %q in the log:\n%s", want, text)
		}
	}
}

// immutableFlag is FS_IMMUTABLE_FL of linux/fs.h.
const immutableFlag = 0x10
