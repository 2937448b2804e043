package outbox

import (
	"errors"
	"fmt"
	"os"

	"bulkhead/internal/flock"
)

// lockSpool makes a spool file this process's own until the file is closed or the
// process ends, however it ends. It returns ErrSpoolInUse if another has it. A file
// system without locks is no reason to lose messages: there it does nothing.
func lockSpool(file *os.File) error {
	switch err := flock.Try(file); {
	case errors.Is(err, flock.ErrHeld):
		return ErrSpoolInUse
	case err == nil, errors.Is(err, flock.ErrUnsupported):
		return nil
	default:
		return fmt.Errorf("locking the spool: %w", err)
	}
}
