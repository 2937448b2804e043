package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// osReading is a file of the machine that is open for reading.
type osReading struct {
	osFile
	direct bool // it is open with O_DIRECT
	past   bool // reads go past the page cache, says the file system
	mute   bool // nobody says what is in the page cache
}

// Read opens a file for reading, relative to the open folder as everything else is.
func (d *osDisk) Read(name string, direct bool) (r Reading, err error) {
	err = d.in(func(fd int) (err error) { r, err = readAt(fd, d.path(name), direct); return err })
	return r, err
}

// ReadIn opens a file in another folder for reading, by its name, as Read does.
func ReadIn(folder *os.File, name string, direct bool) (Reading, error) {
	return readAt(int(folder.Fd()), filepath.Join(folder.Name(), name), direct)
}

// readAt opens the file of a path in the open folder that it is in.
func readAt(folder int, path string, direct bool) (Reading, error) {
	// O_NONBLOCK does nothing to a file and makes a FIFO in its place no wait.
	flags := unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY
	if direct {
		flags |= unix.O_DIRECT
	}
	f := &osReading{osFile: osFile{path: path}, direct: direct}
	err := retried(func() (err error) { f.fd, err = unix.Openat(folder, filepath.Base(path), flags, 0); return err })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: f.path, Err: err}
	}
	if err := f.inspect(); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: f.path, Err: err}, f.Close())
	}
	return f, nil
}

// inspect refuses what is not a regular file, and finds out whether reads go past the page cache
// (statx(2), STATX_DIOALIGN, since Linux 6.1): some file systems take O_DIRECT and read through it.
func (f *osReading) inspect() error {
	var stat unix.Statx_t
	mask := unix.STATX_TYPE | unix.STATX_DIOALIGN
	if err := unix.Statx(f.fd, "", unix.AT_EMPTY_PATH, mask, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("it is not a regular file")
	}
	f.past = f.direct && stat.Mask&unix.STATX_DIOALIGN != 0 && stat.Dio_offset_align != 0
	return nil
}

// Read calls pread(2) until data is full, or the file ends. A read that takes less than it was given
// is not yet its end: in front of what cannot be read the kernel gives what it has, and the error next
// time. Only with O_DIRECT the size has to say so, as reading on from within a unit is EINVAL.
func (f *osReading) Read(data []byte, offset uint64) (int, error) {
	filled := 0
	for filled < len(data) {
		n, err := unix.Pread(f.fd, data[filled:], int64(offset)+int64(filled))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return filled, f.failed("read", err)
		case n == 0:
			return filled, nil
		}
		filled += n
		if f.direct && filled%pageSize != 0 {
			if size, err := f.Size(); err != nil || offset+uint64(filled) >= size {
				return filled, err
			}
		}
	}
	return filled, nil
}

// Cached calls cachestat(2), since Linux 6.5, which reads no page and brings none in.
func (f *osReading) Cached(offset, length uint64) (cached uint64, told bool) {
	switch {
	case f.past:
		return 0, true
	case f.mute:
		return 0, false
	}
	var pages unix.Cachestat_t
	err := unix.Cachestat(uint(f.fd), &unix.CachestatRange{Off: offset, Len: length}, &pages, 0)
	if err != nil { // ENOSYS, EOPNOTSUPP, EPERM, or a sandbox: it will not be another one
		f.mute = true
		return 0, false
	}
	return min(pages.Cache*uint64(unix.Getpagesize()), length), true
}
