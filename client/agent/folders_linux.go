package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/spec"
	"bulkhead/internal/flock"
	"bulkhead/internal/pathname"
)

const (
	// sharedPrefix begins the name of the folder of a user's agents in the system's temporary folder.
	sharedPrefix = "bulkhead-agents-"
	// ownPrefix begins the name of an agent's own folder, and taskPrefix that of a task's in it.
	ownPrefix  = "bulkhead-agent-"
	taskPrefix = "task-"
)

// Folders are where an agent and its clients keep what they need.
type Folders struct {
	// Work is where clients make their working folders, and Own the agent's in it.
	Work, Own string

	lock   *os.File   // of Own; goes with this process. nil where a file system has no locks
	shared bool       // Work is removed when nobody needs it
	dead   []*os.File // own folders of earlier agents, which could not remove them; each is locked
}

// turnPatience is how long an agent waits for others, and for clients, that make a folder at this moment.
const turnPatience = time.Second

// OpenFolders returns the folders of an agent, below workDir. If that is "", they are below a folder of
// this user alone: what its clients may change must not be what others keep in the temporary folder.
func OpenFolders(workDir string) (*Folders, error) {
	f := &Folders{Work: workDir, shared: workDir == ""}
	if f.shared {
		f.Work = filepath.Join(os.TempDir(), fmt.Sprint(sharedPrefix, os.Geteuid()))
	}
	var err error
	if f.Work, err = filepath.Abs(f.Work); err == nil {
		err = spec.CheckWorkDir(f.Work)
	}
	if err != nil {
		return nil, err
	}
	for again := 3; ; again-- { // another agent may remove the folder of both as it ends
		if err = f.open(); !errors.Is(err, fs.ErrNotExist) || !f.shared || again == 0 {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("work_dir: %w", err)
	}
	return f, nil
}

// open makes the own folder, and finds those of agents that were killed.
func (f *Folders) open() error {
	if f.shared {
		if err := ofThisUser(f.Work); err != nil {
			return err
		}
	}
	turn, _ := lockedFolder(f.Work, turnPatience)
	if turn != nil { // else what is left stays
		defer turn.Close()
	}
	var err error
	if f.Own, err = os.MkdirTemp(f.Work, ownPrefix); err != nil {
		return err
	}
	f.lock, _ = lockedFolder(f.Own, 0)
	if turn != nil {
		f.dead = deadFolders(f.Work)
	}
	return nil
}

// Close removes what is not needed any more. What tells the next agent of files that are still to be
// removed stays.
func (f *Folders) Close() {
	for _, dead := range f.dead {
		_ = dead.Close() // nothing was written
	}
	_ = f.lock.Close() // likewise
	if os.Remove(f.Own) == nil && f.shared {
		_ = os.Remove(f.Work) // unless another agent, or what a client could not deliver, is in it
	}
}

// ofThisUser makes a folder that nobody else can enter, or makes sure that it is one.
func ofThisUser(path string) error {
	if err := os.Mkdir(path, 0o700); err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is no folder of this user alone; remove it, or set work_dir to one that is",
			pathname.Printable(path))
	}
	return nil
}

// lockedFolder locks a folder until the file is closed, or the process ends. It returns an error if
// somebody else has the lock for longer than patience, or there is no way to tell.
func lockedFolder(path string, patience time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := flock.Within(f, patience); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// deadFolders returns the own folders of agents of this user that have ended and could not remove them,
// each locked until it is closed. Whoever makes one has the lock of the folder above until it has that,
// too.
func deadFolders(work string) (dead []*os.File) {
	entries, _ := os.ReadDir(work) // what cannot be listed is not ours
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), ownPrefix) {
			continue
		}
		f, err := lockedFolder(filepath.Join(work, e.Name()), 0)
		if err != nil {
			continue // its agent lives
		}
		info, err := f.Stat()
		if err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
				err = fs.ErrPermission
			}
		}
		if err != nil {
			_ = f.Close() // nothing was written
			continue
		}
		dead = append(dead, f)
	}
	return dead
}
