package child

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lookPause is the least time between two looks for children that have ended: a look asks the
	// kernel about each child. One whose stderr has ended with it does not wait for a look.
	lookPause = 10 * time.Millisecond
	// fewEnds is from how many ends in a look on it is cheaper to ask for each child than
	// for one that has ended, which the kernel seeks among all.
	fewEnds = 16
)

// children reaps the children of this process: there is one process, and so one reaper.
var children reaper

// reaper reaps the children that this package has started or adopted, and no other: each once,
// under mu, when it is told that the child may have ended. It is told by SIGCHLD, and by the owner
// of a child, at its start and when its stderr ends. So a child costs neither a thread or goroutine
// that waits nor a pidfd: until it is reaped its pid is its own, also when it has ended, and who
// holds mu can use it.
//
// A child of this process that is not owned here is somebody else's to reap. It may have ended for
// long, and waitid(2) may tell of it for ever instead of one of ours; then each of ours is asked for.
// No end is missed by that, and nothing need be asked again: every end is followed by a signal.
type reaper struct {
	mu    sync.Mutex
	owned map[int]*target // guarded by mu; by pid, not reaped yet
	done  chan struct{}   // guarded by mu; closed when none is owned
	looks int             // guarded by mu; for tests

	aside  map[int]uint64             // guarded by mu; see Aside: when each started, by pid
	starts map[chan struct{}]struct{} // guarded by mu; of children that are being started
}

// own takes a child of this process that nobody else waits for, and which has not been reaped. One
// that is owned already is the same.
func (r *reaper) own(pid int) *target {
	r.mu.Lock()
	t := r.add(pid)
	r.mu.Unlock()
	r.reap(t) // its signal may have come before
	return t
}

// session is where the children of one spawner are, and no others.
type session struct {
	pid   int  // of the spawner, and so of its session
	swept bool // guarded by children.mu; the spawner has ended, and all that were not owned were strays
}

// end kills a process of the session that is no child of this one.
func (s *session) end(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // it has ended, or sees that its line has
	}
	defer unix.Close(fd)
	if its, err := unix.Getsid(pid); err == nil && its == s.pid { // what was opened, or what has ended since
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // it fails for one that has ended
	}
}

var (
	errSwept   = errors.New("it has ended, and with it the child that it has started")
	errNotOurs = errors.New("what it has started is not this process's child")
)

// ownOf does what own does, for a child that a spawner has named. It returns errSwept where that comes too late:
// the spawner has ended since, and the child was taken for a stray; and errNotOurs for another
// process's child.
func (r *reaper) ownOf(s *session, pid int) (*target, error) {
	r.mu.Lock()
	switch {
	case s.swept:
		r.mu.Unlock()
		return nil, errSwept
	case !isChild(pid):
		r.mu.Unlock()
		return nil, errNotOurs
	}
	t := r.add(pid)
	r.mu.Unlock()
	r.reap(t)
	return t, nil
}

// claim does what own does, for a process that may be another one by now; nil if it is, or is no child of this
// process.
func (r *reaper) claim(pid int, startTicks uint64) *target {
	r.mu.Lock()
	s, err := readStat(pid)
	if err != nil || s.startTicks != startTicks || s.parent != os.Getpid() {
		r.mu.Unlock()
		return nil
	}
	t := r.add(pid)
	r.mu.Unlock()
	r.reap(t)
	return t
}

// add adds a child, and begins to listen for signals with the first. The caller holds mu.
func (r *reaper) add(pid int) *target {
	if t := r.owned[pid]; t != nil {
		return t
	}
	if len(r.owned) == 0 {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, unix.SIGCHLD)
		r.owned, r.done = make(map[int]*target), make(chan struct{})
		go r.run(signals, r.done) // ends when no child is owned
	}
	t := &target{pid: pid}
	r.owned[pid] = t
	return t
}

// run looks for children that have ended, after each signal, until none is owned.
func (r *reaper) run(signals chan os.Signal, done <-chan struct{}) {
	defer signal.Stop(signals)
	for {
		select {
		case <-signals:
			r.look()
		case <-done:
			return
		}
		select {
		case <-time.After(lookPause):
		case <-done:
			return
		}
	}
}

// look reaps those that have ended.
func (r *reaper) look() {
	for range fewEnds {
		pid, _ := ended(unix.P_ALL, 0) // an error says that there are no children
		r.mu.Lock()
		t := r.owned[pid]
		r.looks++
		r.mu.Unlock()
		if pid == 0 {
			return
		}
		if t == nil || !r.reap(t) {
			break // others may hide behind it
		}
	}
	r.mu.Lock()
	all := make([]*target, 0, len(r.owned))
	for _, t := range r.owned {
		all = append(all, t)
	}
	r.mu.Unlock()
	for _, t := range all {
		r.reap(t)
	}
}

// reap reaps a child if it has ended and was not reaped, ends what is left of its process group, and
// tells whoever wants to know. It reports whether the child is reaped now.
func (r *reaper) reap(t *target) bool {
	r.mu.Lock()
	if t.reaped {
		r.mu.Unlock()
		return true
	}
	if pid, err := ended(unix.P_PID, t.pid); pid == 0 && err == nil {
		r.mu.Unlock()
		return false
	}
	endGroup(t.pid)
	var status syscall.WaitStatus
	var usage syscall.Rusage
	n, err := syscall.Wait4(t.pid, &status, syscall.WNOHANG, &usage)
	for err == syscall.EINTR {
		n, err = syscall.Wait4(t.pid, &status, syscall.WNOHANG, &usage)
	}
	if n == 0 && err == nil {
		r.mu.Unlock()
		return false
	}
	if t.exit = exitWith(t.pid, status, &usage); err != nil {
		t.exit = Exit{Pid: t.pid, Err: os.NewSyscallError("wait4", err)}
	}
	t.reaped = true
	if delete(r.owned, t.pid); len(r.owned) == 0 {
		close(r.done)
	}
	tell := t.tell
	t.tell = nil
	r.mu.Unlock()
	for _, f := range tell {
		f(t.exit)
	}
	return true
}

// endStrays kills and reaps the strays of a session: the children in it that nobody owns, whose
// execve failed, or which the spawner died before it could name. It returns which there were. One
// that the kernel does not let go of is reaped later. last says that the spawner has ended, and
// names no more. With an error there may be some, and nothing is done.
func (r *reaper) endStrays(s *session, last bool) (pids []int, err error) {
	strays, err := r.ownStrays(s, last)
	if err != nil || len(strays) == 0 {
		return nil, err
	}
	ended := make(chan struct{}, len(strays))
	for _, t := range strays {
		_ = t.signal(syscall.SIGKILL) // it fails for one that was reaped
		t.onEnd(func(Exit) { ended <- struct{}{} })
		r.reap(t) // its signal may have come before
		pids = append(pids, t.pid)
	}
	late := time.NewTimer(spawnerEnds)
	defer late.Stop()
	for range strays {
		select {
		case <-ended:
		case <-late.C:
			return pids, nil
		}
	}
	return pids, nil
}

// ownStrays finds the strays of a session. From here on they are owned. It takes one descriptor,
// which there may not be.
func (r *reaper) ownStrays(s *session, last bool) (strays []*target, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pids, err := allProcesses()
	if err != nil {
		return nil, err
	}
	for _, pid := range pids {
		if r.owned[pid] != nil || pid == s.pid {
			continue
		}
		if its, err := unix.Getsid(pid); err == nil && its == s.pid && isChild(pid) {
			strays = append(strays, r.add(pid))
		}
	}
	s.swept = s.swept || last
	return strays, nil
}

// isChild reports whether a process is a child of this one, that runs or is not reaped yet.
func isChild(pid int) bool {
	return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) == nil
}
