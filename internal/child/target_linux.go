package child

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// target is a process that can be signalled and waited for, whoever has its number meanwhile: a
// child of this process by its pid, which it keeps until children reaps it, and any other by a
// pidfd.
type target struct {
	pid        int
	pidfd      *os.File // nil for a child of this process
	startTicks uint64   // with pidfd: which process it is
	session    int      // with pidfd: that of the process

	reaped bool         // guarded by children.mu; always false with pidfd
	exit   Exit         // written before reaped is set
	tell   []func(Exit) // guarded by children.mu; called once it is reaped
}

// targetOf takes a process that was just started.
func targetOf(process *os.Process) *target {
	pid := process.Pid
	_ = process.Release() // closes its pidfd, and cannot do more
	return children.own(pid)
}

// signal signals the process. It returns os.ErrProcessDone, wrapped, when it is gone.
func (t *target) signal(sig syscall.Signal) error {
	err := os.ErrProcessDone
	if t.pidfd == nil {
		err = t.use(func(pid int) error { return unix.Kill(pid, sig) })
	} else if raw, closed := t.pidfd.SyscallConn(); closed == nil { // else it was closed behind the wait
		_ = raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), sig, nil, 0) }) // or closed just now
	}
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// use calls f while the pid of a child is its own, also when it has ended. It returns
// os.ErrProcessDone when it is so no more.
func (t *target) use(f func(pid int) error) error {
	if t.pidfd != nil {
		return f(t.pid) // nobody can say whose it is
	}
	children.mu.Lock()
	defer children.mu.Unlock()
	if t.reaped {
		return os.ErrProcessDone
	}
	return f(t.pid)
}

// onEnd has f called with how the process ended, once it has. f must not block: whoever reaps
// children calls it.
func (t *target) onEnd(f func(Exit)) {
	if t.pidfd != nil {
		go func() { // ends with the process
			exit := waitForeign(t.pidfd, t.pid, t.startTicks)
			t.endGroup()
			f(exit)
		}()
		return
	}
	children.mu.Lock()
	if !t.reaped {
		t.tell = append(t.tell, f)
		children.mu.Unlock()
		return
	}
	children.mu.Unlock()
	f(t.exit)
}

// wait waits for the end of the process.
func (t *target) wait() Exit {
	ended := make(chan Exit, 1)
	t.onEnd(func(e Exit) { ended <- e })
	return <-ended
}

// mayHaveEnded has a child that has ended reaped without delay.
func (t *target) mayHaveEnded() {
	if t.pidfd == nil {
		children.reap(t)
	}
}

// ended reports whether the process has ended and was not reaped; false if it cannot be told.
func (t *target) ended() bool {
	s, err := readStat(t.pid)
	return err == nil && s.state == 'Z' && (t.pidfd == nil || s.startTicks == t.startTicks)
}

// close lets go of a process that has ended.
func (t *target) close() {
	if t.pidfd != nil {
		t.pidfd.Close() // nothing was written
	}
}
