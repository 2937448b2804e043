package child

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reapWait is how long a dead process may take until the kernel says how it ended.
const reapWait = 2 * time.Second

// waitForeign waits for the end of a process that is not a child of this one, and
// says how it ended as far as the kernel does: in /proc until its parent has reaped
// it, and from then on to those who have a pidfd (Linux 6.15).
func waitForeign(pidfd *os.File, pid int, startTicks uint64) Exit {
	e := Exit{Pid: pid, Unknown: true}
	raw, err := pidfd.SyscallConn()
	if err != nil {
		e.Err = err
		return e
	}
	// A pidfd is readable from the process's end on, and hung up from its reaping on.
	if e.Err = raw.Read(func(fd uintptr) bool { return polled(fd)&unix.POLLIN != 0 }); e.Err != nil {
		return e
	}
	if s, err := readStat(pid); err == nil && s.startTicks == startTicks && s.state == 'Z' {
		e.UserCPU, e.SystemCPU, e.MajorFaults = s.user, s.system, s.majorFaults
		e.set(s.status)
		return e
	}
	if pidfd.SetReadDeadline(time.Now().Add(reapWait)) != nil {
		return e
	}
	err = raw.Read(func(fd uintptr) bool { return polled(fd)&unix.POLLHUP != 0 })
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		e.Err = err
	}
	_ = raw.Control(func(fd uintptr) { // it fails only for a file that is closed
		if status, known := exitStatus(fd); known {
			e.set(status)
		}
	})
	return e
}

// set notes a status that is known.
func (e *Exit) set(status syscall.WaitStatus) {
	e.Unknown, e.Code, e.Signal = false, status.ExitStatus(), 0
	if status.Signaled() {
		e.Signal = status.Signal()
	}
}

// polled returns what poll(2) says of a pidfd at this moment. It says nothing where RLIMIT_NOFILE
// is 0 (EINVAL); a process that signals no longer reach has been reaped.
func polled(fd uintptr) int16 {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(p, 0)
		switch {
		case err == unix.EINTR:
		case err == nil:
			return p[0].Revents
		case unix.PidfdSendSignal(int(fd), 0, nil, 0) == unix.ESRCH:
			return unix.POLLIN | unix.POLLHUP
		default:
			return 0
		}
	}
}

// exitStatus asks the kernel how a reaped process ended: Linux 6.15 and later keep it
// for those who have a pidfd.
func exitStatus(pidfd uintptr) (syscall.WaitStatus, bool) {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, pidfd, unix.PIDFD_GET_INFO, uintptr(unsafe.Pointer(&info)))
	if errno != 0 || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return 0, false
	}
	return syscall.WaitStatus(uint32(info.Exit_code)), true
}
