package child

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// endGroup kills what is left of the process group that a child of this process has begun. The child
// has ended and is not reaped: until then the group's number is nobody else's.
func endGroup(pid int) { _ = unix.Kill(-pid, unix.SIGKILL) } // it fails where nothing is left

// endGroup kills what is left of the process group that the process has begun, which has ended and
// is no child of this one: its number may be another's by now. The kernel knows the group by the
// pidfd (Linux 6.9); before it could, its members are those that have the session, too.
func (t *target) endGroup() {
	raw, err := t.pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // it fails only for a file that is closed
		err = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	})
	if errors.Is(err, unix.EINVAL) {
		endMembers(t.pid, func(pid int) bool {
			session, err := unix.Getsid(pid)
			return err == nil && session == t.session
		})
	}
}

// endRemains does what endGroup does for a process that was gone before it was looked for: what has
// a child's environment is its, unless another process has its number.
func endRemains(rec Record) {
	if id, err := bootID(); err != nil || id != rec.BootID {
		return
	}
	if _, err := unix.Getpgid(rec.Pid); err == nil {
		return
	}
	endMembers(rec.Pid, marked)
}

// endMembers kills the processes of a group of which is says that they are.
func endMembers(group int, is func(pid int) bool) {
	pids, _ := allProcesses() // those that could be read
	for _, pid := range pids {
		if inGroup(pid, group) {
			endMember(pid, group, is)
		}
	}
}

// allProcesses returns the processes of the machine that this one sees, with an error those that
// could be read.
func allProcesses() (pids []int, err error) {
	folder, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// endMember kills a process that is still of the group once it is opened.
func endMember(pid, group int, is func(pid int) bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if inGroup(pid, group) && is(pid) { // what was opened, or what has ended since
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // it fails for one that has ended
	}
}

func inGroup(pid, group int) bool {
	its, err := unix.Getpgid(pid)
	return err == nil && its == group
}

// ended returns the pid of a child of this process that has ended and was not reaped, whoever's it
// is; 0 for none. which and id choose from among them, as for waitid(2).
func ended(which, id int) (int, error) {
	var info struct { // siginfo_t for SIGCHLD, sigaction(2)
		signo, errno, code int32
		_                  [0]uintptr // what follows is aligned like a pointer
		pid                int32
		_                  [128]byte // more than the rest
	}
	for {
		err := unix.Waitid(which, id, (*unix.Siginfo)(unsafe.Pointer(&info)),
			unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil, info.signo == 0:
			return 0, err
		default:
			return int(info.pid), nil
		}
	}
}
