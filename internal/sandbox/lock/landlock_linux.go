package lock

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"bulkhead/internal/sandbox"
)

// What landlock(7) can forbid, by the version of its interface from which on it can.
const (
	fileRights1   = 1<<13 - 1 // all up to LANDLOCK_ACCESS_FS_MAKE_SYM
	fileRefer2    = unix.LANDLOCK_ACCESS_FS_REFER
	fileTruncate3 = unix.LANDLOCK_ACCESS_FS_TRUNCATE
	network4      = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	deviceIoctl5  = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	abstract6     = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	signals6      = unix.LANDLOCK_SCOPE_SIGNAL

	// wantErrata asks which errata are mended, and threadsApart is the bit of the second: that
	// threads in domains of their own may signal each other.
	wantErrata   = 1 << 1
	threadsApart = 1 << 1
	// allThreads8 restricts all threads at once.
	allThreads8 = 1 << 3
)

// ruleset is struct landlock_ruleset_attr.
type ruleset struct{ files, network, scoped uint64 }

// forbids returns what an interface of this version can forbid, and how much of it it knows.
func forbids(version int, mended int) (r ruleset, size uintptr) {
	r.files, size = fileRights1, unsafe.Offsetof(r.network)
	if version >= 2 {
		r.files |= fileRefer2
	}
	if version >= 3 {
		r.files |= fileTruncate3
	}
	if version >= 4 {
		r.network, size = network4, unsafe.Offsetof(r.scoped)
	}
	if version >= 5 {
		r.files |= deviceIoctl5
	}
	if version >= 6 {
		r.scoped, size = abstract6, unsafe.Sizeof(r)
		if version >= 8 || mended&threadsApart != 0 { // else the runtime could not interrupt its threads
			r.scoped |= signals6
		}
	}
	return r, size
}

// landlock forbids everything that it can, and allows nothing.
func landlock(sandbox.Order, string) error {
	version, err := landlockSays(unix.LANDLOCK_CREATE_RULESET_VERSION)
	if err != nil {
		return err
	}
	mended, err := landlockSays(wantErrata)
	if err != nil {
		mended = 0 // it does not tell
	}
	rules, size := forbids(version, mended)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), size, 0)
	if errno != 0 {
		return fmt.Errorf("landlock_create_ruleset: %w", errno)
	}
	defer unix.Close(int(fd)) // nothing was written
	if version >= 8 {
		_, _, errno = unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, allThreads8, 0)
		if errno != 0 {
			return fmt.Errorf("landlock_restrict_self: %w", errno)
		}
		return nil
	}
	if err := everyThread(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); err != nil {
		return fmt.Errorf("landlock_restrict_self: %w", err)
	}
	return nil
}

// landlockSays asks for the version of the interface, or for its errata.
func landlockSays(what uintptr) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, what)
	switch {
	case errors.Is(errno, unix.ENOSYS):
		return 0, errors.New("the kernel has none")
	case errors.Is(errno, unix.EOPNOTSUPP):
		return 0, errors.New("the kernel was booted without it")
	case errno != 0:
		return 0, fmt.Errorf("landlock_create_ruleset: %w", errno)
	}
	return int(n), nil
}
