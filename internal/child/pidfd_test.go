package child_test

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func pidfdOpen(pid int) (int, error) { return unix.PidfdOpen(pid, 0) }

// waitReadable waits until fd is readable; a pidfd is once its process is dead.
func waitReadable(fd int, d time.Duration) error {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(d.Milliseconds()))
	if err == nil && n == 0 {
		return os.ErrDeadlineExceeded
	}
	return err
}
