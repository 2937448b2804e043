package agent

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What landlock(7) can forbid of changing what is on file systems; the last needs version 3.
const (
	changes1 = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	truncate3 = unix.LANDLOCK_ACCESS_FS_TRUNCATE
	// loads are what a client does where its load is written.
	loads = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		truncate3
)

// confinement returns the version of the kernel's landlock(7), or why it has none.
func confinement() (version int, err error) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errors.Is(errno, unix.ENOSYS):
		return 0, errors.New("the kernel has no landlock")
	case errors.Is(errno, unix.EOPNOTSUPP):
		return 0, errors.New("the kernel was booted without landlock")
	case errno != 0:
		return 0, fmt.Errorf("landlock: %w", errno)
	}
	return int(n), nil
}

// confine keeps this thread, and what is started by it, from changing anything on a file system but
// below these folders: allowed, where loads go, and own, where a client keeps what it needs. It does
// nothing where the kernel cannot; an error is of one that can. The thread stays so.
func confine(allowed []string, own string) error {
	version, err := confinement()
	if err != nil {
		return nil // Run has said so
	}
	handled := uint64(changes1)
	if version >= 3 {
		handled |= truncate3
	}
	rules := struct{ files uint64 }{handled}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)),
		unsafe.Sizeof(rules), 0)
	if errno != 0 {
		return fmt.Errorf("landlock_create_ruleset: %w", errno)
	}
	defer unix.Close(int(fd)) // nothing was written
	for _, path := range allowed {
		if err := allowBelow(int(fd), path, loads&handled); err != nil {
			return err
		}
	}
	if err := allowBelow(int(fd), own, handled); err != nil {
		return err
	}
	if err := allowBelow(int(fd), os.DevNull, unix.LANDLOCK_ACCESS_FS_WRITE_FILE); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("PR_SET_NO_NEW_PRIVS: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("landlock_restrict_self: %w", errno)
	}
	return nil
}

// allowBelow adds to a ruleset what is allowed below a path.
func allowBelow(rules int, path string, access uint64) error {
	at, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(at) // of the path alone
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(at)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("landlock_add_rule: %s: %w", path, errno)
	}
	return nil
}
