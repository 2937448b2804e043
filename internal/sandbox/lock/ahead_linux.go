package lock

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"bulkhead/internal/sandbox"
)

// Ahead does for the calling thread, and so for every process that it starts, what each of them would
// otherwise do in all of its threads, one after the other, which each has to be woken up for: the
// priority, the groups, and no new privileges. The user stays: a process of the handlers' user could
// be looked into by others of them until it has hidden itself.
//
// What cannot be done is left to those processes. They find what was done, and that is all they go
// by. The caller keeps its thread, and means it for good.
func Ahead(o sandbox.Order) {
	if o.Level == sandbox.Off {
		return
	}
	if o.Layers.Has(sandbox.Limits) {
		lower()
	}
	if o.Layers.Has(sandbox.User) && o.Gid != 0 {
		groups(uintptr(o.Gid))
	}
	if o.Layers.Has(sandbox.Privileges) {
		_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
}

// lower lowers the priority of this thread.
func lower() {
	if nice, err := niceness(0); err == nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, min(nice+nicer, lowest))
	}
}

// groups gives this thread that group and no other. What goes with the old ones comes back: this
// process ends with its parent, and may be looked into as before (prctl(2)).
func groups(gid uintptr) {
	var dies int32
	_, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&dies)), 0)
	if errno != 0 {
		return
	}
	seen, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return
	}
	_, _, _ = unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid)
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(dies), 0, 0, 0)
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(seen), 0, 0, 0)
}
