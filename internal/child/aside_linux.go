package child

import (
	"maps"
	"os/exec"
)

// Aside starts a process of this program that is no child in the sense of this package: whoever
// starts it waits for it, too, and EndOrphans lets it be.
func Aside(cmd *exec.Cmd) error {
	defer children.starting()()
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	s, err := readStat(pid)
	if err != nil {
		return nil // it is gone
	}
	children.mu.Lock()
	defer children.mu.Unlock()
	maps.DeleteFunc(children.aside, func(pid int, ticks uint64) bool {
		s, err := readStat(pid)
		return err != nil || s.startTicks != ticks
	})
	if children.aside == nil {
		children.aside = make(map[int]uint64)
	}
	children.aside[pid] = s.startTicks
	return nil
}

// starting notes that a child is being started, which nobody owns until started is called.
func (r *reaper) starting() (started func()) {
	under := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.starts == nil {
		r.starts = make(map[chan struct{}]struct{})
	}
	r.starts[under] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.starts, under)
		close(under)
	}
}

// underWay returns for each child that is being started a channel that is closed when it is owned, or
// there is none.
func (r *reaper) underWay() (starts []<-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for start := range r.starts {
		starts = append(starts, start)
	}
	return starts
}

// knows reports whether a child that started then is owned, or somebody else's. The caller holds mu.
func (r *reaper) knows(pid int, startTicks uint64) bool {
	ticks, aside := r.aside[pid]
	return r.owned[pid] != nil || aside && ticks == startTicks
}
