package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"bulkhead/internal/config"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/pathname"
	"bulkhead/internal/protocol"
)

const (
	// loadFile and pidFile are in the folder of a task: what its client was told, and which process it was.
	loadFile, pidFile = "load.yaml", "pid"
	// mostBeside is in how many folders of one that is allowed is looked for what clients left.
	mostBeside = 1024
)

// inherit finds what clients left whose agents were killed with them, or before they could end: what an
// agent remembered of its tasks, and what is where loads usually are. What is remembered counts from now
// on, until it is removed; so does a client that has not ended yet.
func (a *agent) inherit() {
	for _, folder := range a.cfg.Folders.dead {
		tasks, _ := folder.ReadDir(-1) // what cannot be listed stays
		for _, e := range tasks {
			if e.IsDir() && strings.HasPrefix(e.Name(), taskPrefix) {
				a.inheritTask(filepath.Join(folder.Name(), e.Name()))
			}
		}
		_ = os.Remove(folder.Name()) // unless a task is in it still
	}
	go func() { // ends with the removal, unless a file system does not answer
		for _, one := range a.cfg.Limits.Allowances {
			a.sweepBeside(one.Path)
		}
	}()
}

// inheritTask takes over what is left of one task.
func (a *agent) inheritTask(folder string) {
	n, pid, err := a.recall(folder)
	if err != nil {
		a.log.Warn("what the client of an agent that was killed left is not known, and stays", "folder", folder,
			"reason", err.Error())
		return
	}
	a.log.Info("removing what the client of an agent that was killed left", "client_pid", pid)
	done := a.clear(n, pid, folder)
	go func() { // ends with the removal, or with gone
		select {
		case <-done:
			_ = os.Remove(filepath.Dir(folder)) // unless another task is in it
		case <-a.gone:
		}
	}()
}

// recall returns what the load of a task takes up that an earlier agent had, and its client.
func (a *agent) recall(folder string) (n *need, pid int, err error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, 0, err
	}
	defer root.Close()
	text, err := ownfile.ReadIn(root, loadFile, protocol.MaxLoadBytes)
	if err != nil {
		return nil, 0, err
	}
	read, err := config.ParseJobLoad("load", text)
	if err != nil {
		return nil, 0, err
	}
	if text, err = ownfile.ReadIn(root, pidFile, 32); err == nil { // else it was killed as it began one
		pid, _ = strconv.Atoi(string(text))
	}
	of, no := a.cfg.Limits.needOf(read.Settings)
	if no != nil { // allowed then, and not now
		return nil, 0, fmt.Errorf("%s", no.text)
	}
	return &of, pid, nil
}

// sweepBeside removes what crashed clients of this machine left in a folder that is allowed, and in those
// in it, as the next client there would.
func (a *agent) sweepBeside(allowed string) {
	paths := map[string]string{allowed: allowed}
	if dir, err := os.Open(allowed); err == nil {
		entries, _ := dir.ReadDir(mostBeside)
		_ = dir.Close() // nothing was written
		for _, e := range entries {
			if e.IsDir() {
				paths[filepath.Join(allowed, e.Name())] = allowed
			}
		}
	}
	for path, root := range paths {
		if err := a.sweepOnce(&need{paths: map[string]string{path: root}}, 0); err != nil && err != unix.ENOTDIR {
			a.log.Debug("looking for what crashed clients left", "path", pathname.Printable(path),
				"reason", err.Error())
		}
	}
}
