package outbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockSpool makes a spool file this process's own until the file is closed or the
// process ends, however it ends. It returns errSpoolInUse if another has it. A file
// system without locks is no reason to lose messages: there it does nothing.
func lockSpool(file *os.File) error {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return ErrSpoolInUse
	case err == nil, errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP):
		return nil
	default:
		return fmt.Errorf("locking the spool: %w", err)
	}
}
