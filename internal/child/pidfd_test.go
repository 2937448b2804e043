package child_test

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func pidfdOpen(pid int) (int, error) { return unix.PidfdOpen(pid, 0) }

// waitReadable waits until fd is readable; a pidfd is once its process is dead.
func waitReadable(fd int, d time.Duration) error { return await(fd, unix.POLLIN, d) }

// waitReaped waits until the process of a pidfd is dead and reaped: a hang-up is told
// whatever is asked for.
func waitReaped(fd int, d time.Duration) error { return await(fd, 0, d) }

// await polls on after signals: the runtime's own, and SIGCHLD of other tests' children,
// interrupt a poll whose handlers ask for a restart, too (signal(7)).
func await(fd int, events int16, d time.Duration) error {
	deadline := time.Now().Add(d)
	for {
		p := []unix.PollFd{{Fd: int32(fd), Events: events}}
		n, err := unix.Poll(p, max(0, int(time.Until(deadline).Milliseconds())))
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
