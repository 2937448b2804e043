package lock

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"bulkhead/internal/sandbox"
)

// user makes the process another user's, for good.
func user(o sandbox.Order, _ string) error {
	if o.Uid == 0 || o.Gid == 0 {
		return errors.New("handler.user is root")
	}
	// Its supervisor is the same as it is now, and must be able to signal it afterwards.
	held, err := effective()
	if err != nil {
		return err
	}
	for _, c := range []struct {
		bit  uint
		name string
	}{{unix.CAP_KILL, "CAP_KILL"}, {unix.CAP_SETGID, "CAP_SETGID"}, {unix.CAP_SETUID, "CAP_SETUID"}} {
		if held&(1<<c.bit) == 0 {
			return fmt.Errorf("the supervisor has no %s", c.name)
		}
	}
	// What every thread began with, none has to be given: see Ahead.
	if groups, err := syscall.Getgroups(); err != nil || len(groups) > 0 {
		if err := syscall.Setgroups(nil); err != nil {
			return fmt.Errorf("setgroups: %w", err)
		}
	}
	if real, effective, saved := unix.Getresgid(); real != o.Gid || effective != o.Gid || saved != o.Gid {
		if err := syscall.Setresgid(o.Gid, o.Gid, o.Gid); err != nil {
			return fmt.Errorf("setresgid(%d): %w", o.Gid, err)
		}
	}
	if err := syscall.Setresuid(o.Uid, o.Uid, o.Uid); err != nil {
		return fmt.Errorf("setresuid(%d): %w", o.Uid, err)
	}
	// What wakes a stopped handler up when its supervisor ends went with the user (prctl(2)).
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGCONT), 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_PDEATHSIG): %w", err)
	}
	return nil
}
