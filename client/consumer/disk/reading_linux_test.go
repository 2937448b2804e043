package disk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestReadInFrontOfWhatCannotBeRead reads this process's memory across the end of a file that is
// mapped there: the kernel gives what is in front of it, then EIO. That is no end of the file, wherever
// the read begins.
func TestReadInFrontOfWhatCannotBeRead(t *testing.T) {
	short, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer short.Close()
	if err := short.Truncate(pageSize); err != nil {
		t.Fatal(err)
	}
	mapped, err := unix.Mmap(int(short.Fd()), 0, 2*pageSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(mapped) }()
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skip(err)
	}
	defer memory.Close()
	f := &osReading{osFile: osFile{fd: int(memory.Fd()), path: "mem"}}
	at := uint64(uintptr(unsafe.Pointer(&mapped[0])))
	for _, offset := range []uint64{0, 100} {
		data := make([]byte, pageSize+1000)
		if n, err := f.Read(data[:pageSize-offset], at+offset); err != nil || n != pageSize-int(offset) {
			t.Errorf("from %d up to the end: %d B, %v", offset, n, err)
		}
		if n, err := f.Read(data, at+offset); !errors.Is(err, unix.EIO) || n != pageSize-int(offset) {
			t.Errorf("from %d beyond the end: %d B and %v, want %d B and EIO", offset, n, err, pageSize-offset)
		}
	}
}

// TestReadUpToTheEnd of files of odd sizes, through the page cache and past it.
func TestReadUpToTheEnd(t *testing.T) {
	folder := t.TempDir()
	d, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	unit, err := d.DirectUnit()
	if err != nil && !errors.Is(err, ErrNoDirect) {
		t.Fatal(err)
	}
	buffer, err := unix.Mmap(-1, 0, 4*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(buffer) }()
	for _, size := range []int{1, 511, 512, 513, 4095, 4096, 4608, 8192, 8193, 3 * 4096} {
		if err := os.WriteFile(filepath.Join(folder, "f"), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, direct := range []bool{false, true} {
			if direct && unit == 0 {
				continue
			}
			f, err := d.Read("f", direct)
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for step := 2 * pageSize; ; got += step {
				n, err := f.Read(buffer[:step], uint64(got))
				if err != nil {
					t.Errorf("%d B, O_DIRECT %v, at %d: %v", size, direct, got, err)
				}
				if n < step {
					got += n
					break
				}
			}
			if err := f.Close(); err != nil || got != size {
				t.Errorf("%d B, O_DIRECT %v: read %d B, %v", size, direct, got, err)
			}
		}
	}
}
