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

// waitStopped waits until a child of this process has stopped: SIGSTOP reaches its
// threads some time after kill(2) returns.
func waitStopped(pid int) error {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err
		}
	}
}

// waitReaped waits until the process of a pidfd is dead and reaped.
func waitReaped(fd int, d time.Duration) error {
	deadline := time.Now().Add(d)
	for {
		p := []unix.PollFd{{Fd: int32(fd)}} // a hang-up is always told
		n, err := unix.Poll(p, int(time.Until(deadline).Milliseconds()))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return os.ErrDeadlineExceeded
		default:
			return nil
		}
	}
}
