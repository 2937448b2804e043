package lock

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"bulkhead/internal/sandbox"
)

// namespaces checks that the process was started in others than its supervisor's: it could not
// leave them itself for all its threads.
func namespaces(o sandbox.Order, _ string) error {
	is, err := sandbox.Network()
	switch {
	case err != nil:
		return err
	case is == o.Network:
		return errors.New("it shares its supervisor's network: unshare(CLONE_NEWNET) was refused")
	}
	return nil
}

// root leaves the process a root with nothing in it but its own socket.
func root(_ sandbox.Order, folder string) error {
	if err := unix.Chroot(folder); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("chdir: %w", err)
	}
	return nil
}
