package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// reserveName is the name of the file that holds the reserve.
const reserveName = "reserve"

// reserve is space of the file system that nobody else can take: a file with blocks and
// no data. It is given back when the file system is full, so that a run can be ended in
// order. It belongs to the writer.
type reserve struct {
	path string
	held bool
}

// newReserve returns the reserve of the journal in dir; one that a writer before left
// there is taken over.
func newReserve(dir string) *reserve {
	r := &reserve{path: filepath.Join(dir, reserveName)}
	info, err := os.Lstat(r.path)
	r.held = err == nil && info.Mode().IsRegular() && info.Size() > 0
	return r
}

// Reserved returns how many bytes are set aside beside the journal in dir; 0 if none are.
func Reserved(dir string) int64 {
	info, err := os.Lstat(filepath.Join(dir, reserveName))
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// take sets the space aside: bytes, but no more than an eighth of what is free. It returns
// an error if the file system does not promise the space, and holds none then.
func (r *reserve) take(bytes int64) error {
	if bytes == 0 || r.held {
		return nil
	}
	var free unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(r.path), &free); err != nil {
		return fmt.Errorf("keeping space in reserve: %w", err)
	}
	bytes = min(bytes, int64(free.Bavail)*free.Bsize/8)
	if bytes <= 0 {
		return fmt.Errorf("keeping space in reserve: %w", syscall.ENOSPC)
	}
	os.Remove(r.path) // what a supervisor left there that was killed right here, and holds nothing
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keeping space in reserve: %w", err)
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, bytes)
	for errors.Is(err, syscall.EINTR) {
		err = unix.Fallocate(int(f.Fd()), 0, 0, bytes)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(r.path) // err matters more
		return fmt.Errorf("keeping %d bytes in reserve: %w", bytes, err)
	}
	r.held = true
	return nil
}

// relieves reports whether err is a lack of space that the reserve has just mended.
func (r *reserve) relieves(err error) bool {
	if !r.held || !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return false
	}
	r.held = false
	return os.Remove(r.path) == nil
}

// drop gives the space back: the journal is complete.
func (r *reserve) drop() error {
	if !r.held {
		return nil
	}
	r.held = false
	if err := os.Remove(r.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("giving back what was kept in reserve: %w", err)
	}
	return nil
}
