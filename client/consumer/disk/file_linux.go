package disk

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// osFile is an open file of the machine.
type osFile struct {
	fd       int
	path     string
	appended bool
}

// Write calls pwrite(2), which writes at the end of a file opened with O_APPEND (its manual
// page, BUGS).
func (f *osFile) Write(data []byte, offset uint64) (int, error) {
	for {
		n, err := unix.Pwrite(f.fd, data, int64(offset))
		switch {
		case err == nil:
			return n, nil
		case err != unix.EINTR:
			return 0, f.failed("write", err)
		}
	}
}

func (f *osFile) Size() (uint64, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(f.fd, &stat); err != nil {
		return 0, f.failed("stat", err)
	}
	return uint64(stat.Size), nil
}

func (f *osFile) Allocate(size uint64) error {
	var mode uint32
	if f.appended {
		mode = unix.FALLOC_FL_KEEP_SIZE
	}
	err := retried(func() error { return unix.Fallocate(f.fd, mode, 0, int64(size)) })
	return f.failed("fallocate", err)
}

func (f *osFile) Truncate(size uint64) error {
	return f.failed("truncate", retried(func() error { return unix.Ftruncate(f.fd, int64(size)) }))
}

func (f *osFile) SetDirect(on bool) error {
	flags, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETFL, 0)
	if err != nil {
		return f.failed("fcntl", err)
	}
	flags &^= unix.O_DIRECT
	if on {
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(uintptr(f.fd), unix.F_SETFL, flags)
	return f.failed("fcntl", err)
}

func (f *osFile) Datasync() error {
	return f.failed("fdatasync", retried(func() error { return unix.Fdatasync(f.fd) }))
}

func (f *osFile) Sync() error {
	return f.failed("fsync", retried(func() error { return unix.Fsync(f.fd) }))
}

// Close does not retry after EINTR: the descriptor is gone by then.
func (f *osFile) Close() error {
	if err := unix.Close(f.fd); !errors.Is(err, unix.EINTR) {
		return f.failed("close", err)
	}
	return nil
}

// failed names the call and the file; nil stays nil.
func (f *osFile) failed(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: f.path, Err: err}
}
