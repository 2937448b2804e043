package consumer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead/client/consumer/disk"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// mount puts a file system of that kind on a new folder.
func mount(t *testing.T, kind, options string) string {
	t.Helper()
	folder := t.TempDir()
	if err := unix.Mount("bulkhead-test", folder, kind, 0, options); err != nil {
		t.Skipf("mounting a %s: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// TestFileSystemsThatCannot asks memory file systems for what they do not have.
func TestFileSystemsThatCannot(t *testing.T) {
	for _, c := range []struct {
		kind string
		edit func(*bulkheadv1.ConsumerSpec)
		want string
	}{
		{"tmpfs", func(s *bulkheadv1.ConsumerSpec) { s.Direct = true }, disk.ErrNoDirect.Error()},
		{"ramfs", func(s *bulkheadv1.ConsumerSpec) { s.Direct = true }, disk.ErrNoDirect.Error()},
		{"ramfs", func(s *bulkheadv1.ConsumerSpec) { s.Preallocate = true }, disk.ErrNoAllocate.Error()},
	} {
		t.Run(c.kind, func(t *testing.T) {
			folder := mount(t, c.kind, "")
			_, err := start(t, dial(t, New(Options{})),
				request(folder, 4096, 8192, func(task *bulkheadv1.ConsumerTask) { c.edit(task.Spec) })).end()
			if s := status.Convert(err); s.Code() != codes.InvalidArgument || !strings.Contains(s.Message(), c.want) ||
				!strings.Contains(s.Message(), folder) {
				t.Errorf("Run = %v, want InvalidArgument with %q", err, c.want)
			}
			if names := entries(t, folder); len(names) != 0 {
				t.Errorf("left over: %v", names)
			}
		})
	}
}

// TestDirectUnitIsFoundByWriting compares what the kernel says with what it takes.
func TestDirectUnitIsFoundByWriting(t *testing.T) {
	folder := t.TempDir()
	unit := directUnitOf(t, folder)
	if unit == 0 {
		t.Skip("no O_DIRECT here")
	}
	d, err := disk.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f, err := d.Create("f", disk.Mode{Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	memory, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(memory) }()
	if n, err := f.Write(memory[:unit], unit); err != nil || n != int(unit) {
		t.Errorf("writing %d bytes: %d, %v", unit, n, err)
	}
	if n, err := f.Write(memory[:unit-1], 0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("writing %d bytes: %d, %v; want EINVAL", unit-1, n, err)
	}
}

// TestReserveOnARealFileSystem ends a load on one of 8 MiB.
func TestReserveOnARealFileSystem(t *testing.T) {
	folder := mount(t, "tmpfs", "size=8m")
	messages, err := start(t, dial(t, New(Options{})),
		request(folder, 64<<10, 1<<20, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.KeepFiles, task.Spec.ReserveBytes = 0, 2<<20
		})).end()
	if got := reserveReachedOf(t, err); got.GetInodes() || got.GetReserve() != 2<<20 || got.GetFree() > 3<<20 {
		t.Errorf("Run = %v, %v; want the reserve of 2 MiB", err, got)
	}
	if n := len(rollovers(messages)); n < 3 || n > 6 {
		t.Errorf("%d files of 1 MiB on 8 MiB with 2 MiB in reserve", n)
	}
	if names := entries(t, folder); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
}

// TestReserveOfInodes ends loads of small files where the inodes end, with one writer and
// with several. The reserve is never touched, and nothing is an error.
func TestReserveOfInodes(t *testing.T) {
	const inodes, reserve = 100, 20
	for _, writers := range []uint32{1, 8} {
		folder := mount(t, "tmpfs", fmt.Sprintf("nr_inodes=%d", inodes))
		messages, err := start(t, dial(t, New(Options{})),
			request(folder, 4096, 4096, func(task *bulkheadv1.ConsumerTask) {
				task.Spec.KeepFiles, task.Spec.ReserveInodes, task.Spec.Concurrency, task.Keep = 0, reserve, writers,
					true
			})).end()
		if got := reserveReachedOf(t, err); !got.GetInodes() || got.GetReserve() != reserve || got.GetFree() < reserve {
			t.Errorf("%d writers: Run = %v, %v; want the reserve of %d inodes", writers, err, got, reserve)
		}
		var system unix.Statfs_t
		if err := unix.Statfs(folder, &system); err != nil {
			t.Fatal(err)
		}
		made := len(entries(t, folder))
		if system.Ffree < reserve || made+int(system.Ffree) < inodes-1 || system.Ffree > reserve+uint64(writers) {
			t.Errorf(
				"%d writers: %d inodes are free behind %d files; want %d, and a little more for files that "+
					"were claimed", writers, system.Ffree, made, reserve)
		}
		for _, p := range progresses(messages) {
			if p.GetErrors() != 0 {
				t.Errorf("%d writers: %d errors, the last %q; want none", writers, p.GetErrors(), p.GetLastError())
			}
		}
	}
}

// TestRotationStaysWithinTheInodes writes more files than inodes, one after the other: those on
// their way out are waited for.
func TestRotationStaysWithinTheInodes(t *testing.T) {
	folder := mount(t, "tmpfs", "nr_inodes=16")
	running := start(t, dial(t, New(Options{})), request(folder, 4096, 4096, func(task *bulkheadv1.ConsumerTask) {
		task.Spec.KeepFiles, task.Spec.ReserveInodes = 2, 8
	}))
	running.untilFiles(100)
	running.kill(0)
	if _, err := running.end(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

// reserveReachedOf returns what Run said of the reserve that it came to.
func reserveReachedOf(t *testing.T, err error) *bulkheadv1.ReserveReached {
	t.Helper()
	s := status.Convert(err)
	for _, detail := range s.Details() {
		if r, ok := detail.(*bulkheadv1.ReserveReached); ok && s.Code() == codes.OutOfRange {
			return r
		}
	}
	t.Errorf("Run = %v; want OutOfRange with what was reached", err)
	return nil
}

// TestLinkInPlaceOfTheClientsFolder moves the folder around the consumer's away in the
// middle of the work, and puts a link to a folder of others in its place.
func TestLinkInPlaceOfTheClientsFolder(t *testing.T) {
	path, outside := t.TempDir(), t.TempDir()
	around := filepath.Join(path, "bulkhead-name-id")
	folder := filepath.Join(around, "consumer-0")
	theirs := filepath.Join(outside, "consumer-0")
	for _, dir := range []string{folder, theirs} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d, err := disk.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := os.Rename(around, filepath.Join(path, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, around); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create("f", disk.Mode{}); err == nil {
		t.Error("a file was made through the link")
	}
	if again, err := disk.Open(folder); err == nil {
		again.Close()
		t.Error("the folder was opened through the link")
	}
	removeFolders(folder)
	if names := entries(t, outside); len(names) != 1 {
		t.Errorf("a folder of others was removed: left %v", names)
	}
	if names := entries(t, theirs); len(names) != 0 {
		t.Errorf("made through the link: %v", names)
	}
}
