package agent

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/names"
	"bulkhead/client/site"
	"bulkhead/internal/backoff"
	"bulkhead/internal/pathname"
	"bulkhead/internal/saturated"
)

// sweepAgain is when what could not be removed is tried again.
var sweepAgain = backoff.Policy{First: time.Second, Most: time.Minute}

// mostUndelivered is how much clients may have left that could not be delivered before another begins:
// a supervisor that acknowledges nothing has each leave what it may keep.
const mostUndelivered = 1 << 30

// undelivered returns the size of what clients have left in their working folders in dir, and those that
// run keep there.
func undelivered(dir string) (bytes uint64) {
	entries, _ := os.ReadDir(dir) // what cannot be listed is not ours
	for _, e := range entries {
		if !names.IsWorkDir(e.Name()) {
			continue
		}
		if info, err := os.Lstat(filepath.Join(dir, e.Name(), names.Spool)); err == nil && info.Mode().IsRegular() {
			bytes = saturated.Add(bytes, uint64(info.Size()))
		}
	}
	return bytes
}

// recordTries is how often a folder is looked at that nobody owns up to, before it is left where it is.
const recordTries = 3

// sweepPatience is how long a task is not over because files of its client are still removed.
const sweepPatience = 10 * time.Second

// need is what a load takes up.
type need struct {
	paths map[string]string // each with the folder that is allowed above it
	held  map[string]uint64 // at once, by the folder that is allowed
}

// over returns the need with what others take up.
func (n need) over(others []*need) map[string]uint64 {
	held := maps.Clone(n.held)
	for _, other := range others {
		for path, bytes := range other.held {
			held[path] = saturated.Add(held[path], bytes)
		}
	}
	return held
}

// sweep removes what the client of a task left that could not end in order, for its files count until
// they are gone: without that, each load could leave as much as is allowed. Then it removes the folder of
// the task. It returns after sweepPatience at the latest, and goes on until the agent ends.
func (a *agent) sweep(n *need, pid int, folder string) {
	wait := time.NewTimer(sweepPatience)
	defer wait.Stop()
	select {
	case <-a.clear(n, pid, folder):
	case <-wait.C:
	}
}

// clear has what a client left counted until it is removed, which it sees to, and closes done then.
func (a *agent) clear(n *need, pid int, folder string) (done <-chan struct{}) {
	a.mu.Lock()
	a.left = append(a.left, n)
	a.mu.Unlock()
	cleared := make(chan struct{})
	go func() { // ends with the removal, or with gone, unless a file system does not answer
		for failed := 1; ; failed++ {
			err := a.sweepOnce(n, pid)
			if err == nil || errors.Is(err, site.ErrNoRecord) && failed >= recordTries {
				break
			}
			if failed == 1 {
				a.log.Warn("what the client of a task left is not removed yet, and counts as long as it is there",
					"reason", err.Error())
			}
			select {
			case <-time.After(sweepAgain.After(failed, 0)):
			case <-a.gone:
				return
			}
		}
		_ = os.RemoveAll(folder) // else the next agent looks once more
		a.mu.Lock()
		a.left = slices.DeleteFunc(a.left, func(one *need) bool { return one == n })
		a.mu.Unlock()
		close(cleared)
	}()
	return cleared
}

// sweepOnce tries once to remove what a client left. It follows no link that has come meanwhile.
func (a *agent) sweepOnce(n *need, pid int) error {
	for path, root := range n.paths {
		fd, err := openBeneath(root, path)
		switch {
		case err == unix.ENOENT:
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", pathname.Printable(path), err)
		}
		err = site.Sweep(fmt.Sprintf("/proc/self/fd/%d", fd), pid, a.log)
		_ = unix.Close(fd) // of the path alone
		if err != nil {
			return fmt.Errorf("%s: %w", pathname.Printable(path), err)
		}
	}
	return nil
}
