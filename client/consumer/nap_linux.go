package consumer

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// nap waits in the kernel, which wakes the thread microseconds late and not, as a Go
// timer may be, milliseconds. A signal may end it early.
func nap(d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err == nil {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // of this thread, in ns
		defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(before), 0, 0, 0) }()
	}
	request := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&request, nil)
}
