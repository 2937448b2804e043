package site

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/client/names"
	"bulkhead/client/spec"
	"bulkhead/internal/flock"
	"bulkhead/internal/removal"
)

// turnPatience is how long a client waits for others that start at the same moment.
const turnPatience = time.Second

// MakeWorkDir makes a working folder for this process in parent, and removes those that
// clients left that were killed before they had workers, or together with them: workers
// that outlive their client remove its folder themselves. A folder with a spool stays. The
// folder is locked until lock, which may be nil, is closed or the process ends.
func MakeWorkDir(parent string) (path string, lock *os.File, err error) {
	if turn := lockFolder(parent, turnPatience); turn != nil { // else all that is left stays
		defer turn.Close()
		removeDeadWorkDirs(parent)
	}
	if path, err = os.MkdirTemp(parent, names.WorkDirPrefix); err != nil {
		return "", nil, fmt.Errorf("%w: making the working folder: %w", spec.ErrConfig, err)
	}
	return path, lockFolder(path, 0), nil
}

// removeDeadWorkDirs removes the folders of clients of this user that have ended. Whoever
// makes one has the lock of the parent until the folder is locked itself.
func removeDeadWorkDirs(parent string) {
	entries, _ := os.ReadDir(parent) // what cannot be listed stays
	for _, e := range entries {
		if path := filepath.Join(parent, e.Name()); e.IsDir() && names.IsWorkDir(e.Name()) {
			removeDeadWorkDir(path)
		}
	}
}

func removeDeadWorkDir(path string) {
	lock := lockFolder(path, 0)
	if lock == nil {
		return // its client lives, or there is no way to tell
	}
	defer lock.Close()
	info, err := lock.Stat()
	if err != nil {
		return
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return
	}
	if _, err := os.Lstat(filepath.Join(path, names.Spool)); !errors.Is(err, os.ErrNotExist) {
		return // somebody may still want to deliver it
	}
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), names.SocketFolderPrefix) {
			_ = removal.Tree(filepath.Join(path, e.Name()), turnPatience) // what cannot be removed stays
		}
	}
	removeEmpty(path)
}

// lockFolder locks a folder, and returns nil if somebody else has it for longer than
// patience or it cannot be locked.
func lockFolder(path string, patience time.Duration) *os.File {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	if flock.Within(f, patience) != nil {
		_ = f.Close() // nothing was written
		return nil
	}
	return f
}
