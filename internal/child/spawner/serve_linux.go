package spawner

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/internal/failpoint"
)

// ErrNotSpawner says that the process was not started as a spawner.
var ErrNotSpawner = errors.New("a spawner is started by `bulkhead supervisor start`, not by hand")

// Serve serves requests on the line until its other side is gone, and returns nil then. It
// returns ErrNotSpawner if descriptor 3 is no line. It calls ahead, which may be nil, in the thread
// that starts the children, from which they inherit.
func Serve(ahead func()) error {
	runtime.LockOSThread() // its timer slack is the children's
	kind, err := unix.GetsockoptInt(LineFD, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_SEQPACKET {
		return ErrNotSpawner
	}
	unix.CloseOnExec(LineFD)
	if os.Getenv(ApartEnv) != "" {
		_ = unix.Unshare(Namespaces) // a child that is to be apart finds out that it is not
	}
	if ahead != nil {
		ahead()
	}
	if err := answer(Hello()); err != nil {
		return err
	}
	packet := make([]byte, MaxRequestBytes)
	oob := make([]byte, unix.CmsgSpace(4*MaxFiles))
	for {
		n, descriptors, err := receive(packet, oob)
		if err != nil || n == 0 {
			return err
		}
		a := Answer{Errno: uint32(unix.EBADMSG)}
		if r, err := ParseRequest(packet[:n], len(descriptors)); err == nil {
			a = start(r, descriptors)
		}
		for _, fd := range descriptors {
			unix.Close(fd)
		}
		failpoint.Hit("spawner/before-answer")
		if err := answer(a); err != nil {
			return err
		}
	}
}

// Namespaces are those that children are started in which are to be apart: the network's, and that
// of System V and POSIX queues.
const Namespaces = unix.CLONE_NEWNET | unix.CLONE_NEWIPC

// receive waits for a packet; n is 0 when the other side is gone.
func receive(packet, oob []byte) (n int, descriptors []int, err error) {
	for {
		var flags, oobn int
		n, oobn, flags, _, err = unix.Recvmsg(LineFD, packet, oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECONNRESET: // with an answer unread
			return 0, nil, nil
		case err != nil:
			return 0, nil, fmt.Errorf("waiting for a request: %w", err)
		case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
			return 0, nil, errors.New("waiting for a request: a packet is too large")
		}
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil {
			return 0, nil, fmt.Errorf("reading a request: %w", err)
		}
		for i := range messages {
			fds, err := unix.ParseUnixRights(&messages[i])
			if err != nil {
				return 0, nil, fmt.Errorf("reading a request: %w", err)
			}
			descriptors = append(descriptors, fds...)
		}
		return n, descriptors, nil
	}
}

// start starts a child of the parent.
func start(r Request, descriptors []int) Answer {
	files := []uintptr{0}
	for _, f := range r.Files {
		if f < 0 {
			files = append(files, ^uintptr(0)) // closed there
			continue
		}
		files = append(files, uintptr(descriptors[f]))
	}
	if err := relax(r.TimerSlack); err != nil {
		return failed(err)
	}
	// In another session than its parent, a child that is stopped would not be told by the kernel
	// that it is an orphan. So it wakes up when the parent ends, and sees that for itself.
	pid, err := syscall.ForkExec(r.Path, r.Args, &syscall.ProcAttr{Dir: r.Dir, Env: r.Env, Files: files,
		Sys: &syscall.SysProcAttr{Setpgid: true, Cloneflags: syscall.CLONE_PARENT, Pdeathsig: syscall.SIGCONT}})
	if err != nil {
		return failed(err)
	}
	return Answer{Pid: uint32(pid)}
}

// relax sets the timer slack of this thread, which a child inherits and keeps across
// execve(2); 0 is the thread's default.
func relax(slack time.Duration) error {
	return unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0)
}

func failed(err error) Answer {
	var errno syscall.Errno
	if !errors.As(err, &errno) || errno == 0 {
		errno = unix.EINVAL // a NUL in a text
	}
	return Answer{Errno: uint32(errno)}
}

// answer sends an answer.
func answer(a Answer) error {
	err := unix.Sendmsg(LineFD, a.Bytes(), nil, nil, unix.MSG_NOSIGNAL)
	if err != nil && err != unix.EPIPE && err != unix.ECONNRESET { // receive sees that
		return fmt.Errorf("answering a request: %w", err)
	}
	return nil
}
