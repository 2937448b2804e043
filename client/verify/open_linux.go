package verify

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// File is an open file that is to be read back. The caller closes it.
type File struct {
	file   *os.File
	path   string // for errors
	direct bool   // open with O_DIRECT
	proven bool   // and the file system says that this reads past the page cache
	shared bool   // what is read may be from a cache whatever is done
}

// OpenAt opens the file at path by its last element in the open folder of which that is
// the descriptor. A symbolic link, or anything else that is not a regular file, is an
// error.
func OpenAt(folder int, path string) (*File, error) {
	return open(folder, filepath.Base(path), path)
}

// Open opens the file at path, of which the last element is not followed if it is a
// symbolic link.
func Open(path string) (*File, error) { return open(unix.AT_FDCWD, path, path) }

func open(folder int, name, path string) (*File, error) {
	// O_NONBLOCK: a FIFO of that name must not hold us up.
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY
	direct := true
	fd, err := openat(folder, name, flags|unix.O_DIRECT)
	if errors.Is(err, unix.EINVAL) {
		direct = false
		fd, err = openat(folder, name, flags)
	}
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("open %s: it is a symbolic link, and those are not followed", path)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := &File{file: os.NewFile(uintptr(fd), path), path: path, direct: direct}
	if err := f.inspect(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func openat(folder int, name string, flags int) (fd int, err error) {
	for {
		fd, err = unix.Openat(folder, name, flags, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// fd returns the descriptor, valid until Close.
func (f *File) fd() int { return int(f.file.Fd()) }

// inspect refuses what is not a regular file, and finds out about the file system.
func (f *File) inspect() error {
	var info unix.Stat_t
	if err := unix.Fstat(f.fd(), &info); err != nil {
		return &os.PathError{Op: "stat", Path: f.path, Err: err}
	}
	if info.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("open %s: it is not a regular file", f.path)
	}
	var system unix.Statfs_t
	if err := unix.Fstatfs(f.fd(), &system); err != nil {
		return &os.PathError{Op: "statfs", Path: f.path, Err: err}
	}
	f.shared = hasOwnCache(int64(system.Type))
	return f.proveDirect()
}

// proveDirect asks what O_DIRECT does to this file (statx(2), STATX_DIOALIGN, since Linux
// 6.1). Some file systems take it and read through the page cache all the same: ext4 that
// journals data, or encrypts them, and then they say so; btrfs of what it compresses.
func (f *File) proveDirect() error {
	var stat unix.Statx_t
	err := unix.Statx(f.fd(), "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &stat)
	switch {
	case !f.direct, err != nil, stat.Mask&unix.STATX_DIOALIGN == 0:
		return nil // nothing is known
	case stat.Dio_offset_align == 0:
		return f.leaveDirect()
	}
	f.proven = true
	return nil
}

// zfsMagic is not among the constants of Linux, which does not contain ZFS.
const zfsMagic = 0x2fc12fc1

// hasOwnCache reports whether a file system of that type may answer from memory in
// spite of O_DIRECT.
func hasOwnCache(kind int64) bool {
	switch kind {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC, unix.HUGETLBFS_MAGIC, unix.PROC_SUPER_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, zfsMagic:
		return true
	}
	return false
}

// size returns the present size of the file.
func (f *File) size() (uint64, error) {
	var info unix.Stat_t
	if err := unix.Fstat(f.fd(), &info); err != nil {
		return 0, &os.PathError{Op: "stat", Path: f.path, Err: err}
	}
	return uint64(info.Size), nil
}

// read reads at offset. It returns 0 bytes only at the end of the file.
func (f *File) read(buffer []byte, offset uint64) (int, error) {
	for {
		n, err := unix.Pread(f.fd(), buffer, int64(offset))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return max(n, 0), err
	}
}

// leaveDirect continues without O_DIRECT.
func (f *File) leaveDirect() error {
	flags, err := unix.FcntlInt(uintptr(f.fd()), unix.F_GETFL, 0)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(f.fd()), unix.F_SETFL, flags&^unix.O_DIRECT)
	}
	if err != nil {
		return &os.PathError{Op: "leaving O_DIRECT of", Path: f.path, Err: err}
	}
	f.direct, f.proven = false, false
	return nil
}

// dropCache writes the file out and has the page cache forget it. What fails is seen
// in what is cached afterwards.
func (f *File) dropCache() {
	_ = unix.Fdatasync(f.fd())
	_ = unix.Fadvise(f.fd(), 0, 0, unix.FADV_DONTNEED)
}

// residentWindow is how much of a file is asked about at once: its answer is a byte
// for each page.
const residentWindow = 1 << 30

// resident returns how many bytes of the first size are in the page cache. If that
// cannot be known, it is all of them.
func (f *File) resident(size uint64) uint64 {
	page := uint64(os.Getpagesize())
	pages := make([]byte, (min(size, residentWindow)+page-1)/page)
	cached := uint64(0)
	for at := uint64(0); at < size; at += residentWindow {
		n := min(size-at, residentWindow)
		memory, err := unix.Mmap(f.fd(), int64(at), int(n), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return size
		}
		answer := pages[:(n+page-1)/page]
		err = mincore(memory, answer)
		if unmapErr := unix.Munmap(memory); err != nil || unmapErr != nil {
			return size
		}
		for _, p := range answer {
			cached += uint64(p&1) * page
		}
	}
	return min(cached, size)
}
