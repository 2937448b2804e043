package child

import (
	"os"

	"golang.org/x/sys/unix"
)

// awaitEnd waits until a child of this process, which nobody reaps meanwhile, has ended.
// wait4(2) alone would keep an operating-system thread for each child; the runtime's
// poller has room for all of them. Where the kernel has no pidfd it returns at once, and
// wait4 waits.
func awaitEnd(pid int) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	defer pidfd.Close() // nothing was written
	raw, err := pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool { return polled(fd)&unix.POLLIN != 0 }) // an error leaves it to wait4
}
