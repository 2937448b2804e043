package consumer

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// osDisk is the file system of the machine, by plain system calls: an os.File
// would add its own locking and retry partial writes unseen.
type osDisk struct{}

func (osDisk) create(path string) (file, error) {
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY | unix.O_CLOEXEC
	for {
		fd, err := unix.Open(path, flags, 0o600)
		switch {
		case err == nil:
			return &osFile{fd: fd, path: path}, nil
		case !errors.Is(err, unix.EINTR):
			return nil, &fs.PathError{Op: "create", Path: path, Err: err}
		}
	}
}

func (osDisk) remove(path string) error {
	if err := unix.Unlink(path); err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "remove", Path: path, Err: err}
	}
	return nil
}

// osFile is an open file of the machine.
type osFile struct {
	fd   int
	path string
}

func (f *osFile) write(data []byte) (int, error) {
	for {
		n, err := unix.Write(f.fd, data)
		switch {
		case err == nil:
			return n, nil
		case err != unix.EINTR:
			return 0, &fs.PathError{Op: "write", Path: f.path, Err: err}
		}
	}
}

func (f *osFile) sync() error {
	for {
		err := unix.Fsync(f.fd)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EINTR):
			return &fs.PathError{Op: "fsync", Path: f.path, Err: err}
		}
	}
}

// close does not retry after EINTR: the descriptor is gone by then.
func (f *osFile) close() error {
	if err := unix.Close(f.fd); err != nil && !errors.Is(err, unix.EINTR) {
		return &fs.PathError{Op: "close", Path: f.path, Err: err}
	}
	return nil
}
