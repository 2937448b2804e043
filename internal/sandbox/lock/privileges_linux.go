package lock

import (
	"fmt"

	"golang.org/x/sys/unix"

	"bulkhead/internal/sandbox"
)

// privileges makes sure that nothing that the process could execute gives it any. A process that
// began so has it in every thread, and cannot go back.
func privileges(sandbox.Order, string) error {
	if on, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && on == 1 {
		return nil
	}
	if err := everyThread(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_NO_NEW_PRIVS): %w", err)
	}
	return nil
}

// hidden keeps others of the process's user from looking into it. Only where that user is not the
// supervisor's, which has to.
func hidden(sandbox.Order, string) error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_DUMPABLE): %w", err)
	}
	return nil
}
