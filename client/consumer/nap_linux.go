package consumer

import (
	"time"

	"golang.org/x/sys/unix"
)

// nap waits in the kernel, which wakes a thread some 50 µs late instead of up to a
// millisecond. A signal may end it early.
func nap(d time.Duration) {
	request := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&request, nil)
}
