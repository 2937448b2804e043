package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/internal/child/handshake"
	"bulkhead/internal/procfile"
)

const (
	// orphanPause is the least time between two looks for orphans.
	orphanPause = 250 * time.Millisecond
	// orphansEnd is how long the last of them may take to end.
	orphansEnd = 2 * time.Second
	// startsSettle is how long a look waits for children that are being started.
	startsSettle = 10 * time.Second
	// maxEnviron bounds what is read of a process's environment, in bytes.
	maxEnviron = 1 << 20
	// orphansNamed is how many a log line names.
	orphansNamed = 8
)

// orphans are the processes that children of this process have left behind and that are no longer
// in their process groups. The kernel makes them this process's children (PR_SET_CHILD_SUBREAPER,
// prctl(2)), at the latest when the child ends that they descend from. They are known by that:
// they are children of this process that nobody here has started.
type orphans struct {
	log    *slog.Logger
	before map[int]uint64 // children that this process had before, and when they started; of the goroutine that looks
}

// EndOrphans ends what children leave behind, whatever they do to be on their own, until stop is
// called, which ends the last of it. It is for a program's beginning: other processes of this
// program are started with Aside.
//
// Children that this process has before are none of it, such as those of a script that has replaced
// itself by this program. As long as one of them runs, or where this process is the first of a
// container, it also gets what others have left: then only what has the environment of a child is ended.
func EndOrphans(log *slog.Logger) (stop func()) {
	err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	pids, listErr := ownChildren()
	if err = errors.Join(err, listErr); err != nil {
		log.Error("what children leave behind is not ended", "error", err)
		return func() {}
	}
	o := &orphans{log: log, before: make(map[int]uint64)}
	for _, pid := range pids {
		if s, err := readStat(pid); err == nil {
			o.before[pid] = s.startTicks
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGCHLD)
	done := make(chan struct{})
	go func() { // ended and awaited by stop
		defer close(done)
		defer signal.Stop(signals)
		o.run(ctx, signals)
	}()
	return func() { cancel(); <-done }
}

// run looks for orphans whenever a child has ended, until ctx is done, and then until there are none.
func (o *orphans) run(ctx context.Context, signals <-chan os.Signal) {
	for ctx.Err() == nil {
		select {
		case <-signals:
			o.end(ctx)
		case <-ctx.Done():
		}
		select {
		case <-time.After(orphanPause):
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.Background(), orphansEnd)
	defer cancel()
	for o.end(last) > 0 && last.Err() == nil { // each may leave its own behind
	}
}

// end kills the orphans that there are, waits for their ends until ctx is done, and returns how many
// there were.
func (o *orphans) end(ctx context.Context) int {
	found, err := o.own(ctx)
	if err != nil {
		o.log.Error("what children leave behind cannot be found", "error", err)
	}
	ended := make(chan struct{}, len(found))
	alive := 0
	var named []int
	for _, t := range found {
		if !t.ended() {
			alive++
			named = append(named, t.pid)
		}
		_ = t.signal(syscall.SIGKILL) // it fails for one that was reaped
		t.onEnd(func(Exit) { ended <- struct{}{} })
		children.reap(t) // its signal may have come before
	}
	if alive > 0 {
		o.log.Warn("processes that children had left behind were killed", "processes", alive,
			"pids", named[:min(alive, orphansNamed)])
	}
	for range found {
		select {
		case <-ended:
		case <-ctx.Done():
			return len(found)
		}
	}
	return len(found)
}

// own finds the orphans. From here on they are owned, and so reaped.
func (o *orphans) own(ctx context.Context) ([]*target, error) {
	strange, err := o.strange()
	if err != nil || len(strange) == 0 {
		return nil, err
	}
	// One that is being started is nobody's until its start has returned.
	settled, cancel := context.WithTimeout(ctx, startsSettle)
	defer cancel()
	for _, start := range children.underWay() {
		select {
		case <-start:
		case <-settled.Done():
			return nil, nil // the next look finds them
		}
	}
	children.mu.Lock()
	defer children.mu.Unlock()
	all := o.alone()
	var found []*target
	for pid, ticks := range strange {
		s, err := readStat(pid)
		if err != nil || s.startTicks != ticks || s.parent != os.Getpid() || children.knows(pid, ticks) {
			continue
		}
		if all || s.state == 'Z' || marked(pid) {
			found = append(found, children.add(pid))
		}
	}
	return found, nil
}

// strange returns the children of this process that it does not know, and when they started.
func (o *orphans) strange() (map[int]uint64, error) {
	pids, err := ownChildren()
	if err != nil {
		return nil, err
	}
	var strange map[int]uint64
	for _, pid := range pids {
		children.mu.Lock()
		owned := children.owned[pid] != nil
		children.mu.Unlock()
		if owned {
			continue
		}
		s, err := readStat(pid)
		if before, was := o.before[pid]; err != nil || was && before == s.startTicks {
			continue
		}
		if strange == nil {
			strange = make(map[int]uint64)
		}
		strange[pid] = s.startTicks
	}
	return strange, nil
}

// alone reports whether all that is left to this process is what its children have left. children.mu
// is held.
func (o *orphans) alone() bool {
	for pid, ticks := range o.before {
		s, err := readStat(pid)
		switch {
		case err != nil || s.startTicks != ticks:
			delete(o.before, pid)
		case children.owned[pid] == nil && s.state != 'Z':
			return false
		}
	}
	return os.Getpid() != 1
}

// marked reports whether a process has the environment of a child.
func marked(pid int) bool {
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	defer f.Close()
	data, _ := io.ReadAll(io.LimitReader(f, maxEnviron)) // what could be read
	for entry := range bytes.SplitSeq(data, []byte{0}) {
		if string(entry) == handshake.CookieKey+"="+handshake.CookieValue {
			return true
		}
	}
	return false
}

// ownChildren returns the children of this process, those of each of its threads.
func ownChildren() ([]int, error) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, thread := range threads {
		data, err := procfile.Read("/proc/self/task/" + thread.Name() + "/children")
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH): // it has ended
			if thread.Name() == strconv.Itoa(os.Getpid()) { // the kernel has no such file
				return childrenAmongAll()
			}
			continue
		case err != nil:
			return nil, err
		}
		for _, field := range bytes.Fields(data) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}

// childrenAmongAll returns the children of this process where the kernel does not list them
// (CONFIG_PROC_CHILDREN).
func childrenAmongAll() ([]int, error) {
	pids, err := allProcesses()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pids, func(pid int) bool { return !isChild(pid) }), nil
}
