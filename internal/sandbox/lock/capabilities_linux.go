package lock

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"bulkhead/internal/sandbox"
)

// capabilitySets are the sets of a thread: the lower and the upper half of each.
type capabilitySets [2]unix.CapUserData

// effective returns the capabilities that are in force in this thread.
func effective() (uint64, error) {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets capabilitySets
	if err := unix.Capget(&head, &sets[0]); err != nil {
		return 0, fmt.Errorf("capget: %w", err)
	}
	return uint64(sets[0].Effective) | uint64(sets[1].Effective)<<32, nil
}

// capabilities gives up all of them. Usually they went with the user: then no thread has any, since all
// began with the same, and none has changed its own.
func capabilities(sandbox.Order, string) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has, none capabilitySets
	if err := unix.Capget(&head, &has[0]); err == nil && has == none {
		return nil
	}
	err := everyThread(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&none)), 0)
	runtime.KeepAlive(&none)
	if err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}
