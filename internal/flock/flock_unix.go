// Package flock locks open files for one process at a time, by flock(2): the lock goes with the
// last descriptor of the open file, however its process ends.
package flock

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrHeld says that another open file has the lock.
	ErrHeld = errors.New("another process has it locked")
	// ErrUnsupported says that the file system has no such locks. It is wrapped with what the
	// system said.
	ErrUnsupported = errors.New("the file system has no locks")
)

// Try locks f if nobody else has it locked. Otherwise it returns ErrHeld, an error that
// wraps ErrUnsupported, or what the system said. It does not wait.
func Try(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrHeld
		case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS):
			return fmt.Errorf("%w: %w", ErrUnsupported, err)
		default:
			return err
		}
	}
}

// Within calls Try again and again for as long as patience, while somebody else has f locked.
func Within(f *os.File, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(patience / 50) {
		if err := Try(f); !errors.Is(err, ErrHeld) || !time.Now().Before(deadline) {
			return err
		}
	}
}
