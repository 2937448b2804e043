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
	_ = raw.Read(func(fd uintptr) bool { return waitable(int(fd)) }) // an error leaves it to wait4
}

// waitable reports whether wait4(2) would not wait for the child of a pidfd: it has ended,
// or it cannot be told (before Linux 5.4). poll(2) could not tell where RLIMIT_NOFILE is 0.
func waitable(pidfd int) bool {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PIDFD, pidfd, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err != nil || info.Signo != 0
		}
	}
}
