package rundir

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/internal/ownfile"
	"bulkhead/internal/removal"
)

// sharedMemory is the file system in memory that every Linux has for programs (shm_overview(7)).
const sharedMemory = "/dev/shm"

// firstPerson is the first user who is a person, by common usage: what those have in shared memory is
// removed as they log out (RemoveIPC, logind.conf(5)), while their supervisor may go on.
const firstPerson = 1000

// runtimeEnv names the folder in memory that a service manager has made for this service alone
// (RuntimeDirectory=, systemd.exec(5)).
const runtimeEnv = "RUNTIME_DIRECTORY"

// memoryBeside returns a folder in memory for the sockets of a state directory; "" if there is none, or
// the state directory is in memory itself. One that only this user can fill comes first.
func memoryBeside(state string) string {
	var st unix.Statfs_t
	if os.Geteuid() >= firstPerson || unix.Statfs(state, &st) != nil || st.Type == unix.TMPFS_MAGIC {
		return ""
	}
	own, _, _ := strings.Cut(os.Getenv(runtimeEnv), ":")
	if private(own) && len(own)+len("/"+temporarySockets)+randomName+ChildSocketPath <= MaxSocketPath && hasRoom(own) {
		return own
	}
	if hasRoom(sharedMemory) {
		return sharedMemory
	}
	return ""
}

// randomName is the longest that os.MkdirTemp adds to a name.
const randomName = 10

// private reports whether a path is that of a folder that nobody but this user can change.
func private(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !filepath.IsAbs(path) || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// roomForSockets is how many inodes a file system in memory has left at least, or it counts as full:
// handlers that start at the same time take two each.
const roomForSockets = 128

// hasRoom reports whether a path is in a file system in memory that has inodes left. Sockets and folders
// take nothing else there.
func hasRoom(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.TMPFS_MAGIC && (st.Files == 0 || st.Ffree >= roomForSockets)
}

// hold says of a folder outside of the state directory that its supervisor runs: it keeps a lock on
// the file that says whose it is. s.mu is held.
func (s *Sockets) hold() {
	s.letGo()
	f, err := ownfile.Open(filepath.Join(s.Dir, ownerFile), os.O_RDONLY, 0)
	if err != nil {
		return // there is none in the state directory itself
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil {
		f.Close()
		return
	}
	s.held = f
}

// letGo takes hold back. s.mu is held.
func (s *Sockets) letGo() {
	if s.held != nil {
		s.held.Close() // nothing was written
		s.held = nil
	}
}

// listensWithin is how long whoever listens may take to be connected to.
const listensWithin = 100 * time.Millisecond

// sweepWithin is how long a supervisor that begins looks for what others have left.
const sweepWithin = time.Second

// sweepAbandoned removes the folders that supervisors of this user have left in memory whose state
// directories were removed: they were killed, and nobody can go on with their runs.
func sweepAbandoned(memory string) {
	entries, err := os.ReadDir(memory)
	if err != nil {
		return
	}
	by := time.Now().Add(sweepWithin)
	for _, e := range entries {
		if dir := filepath.Join(memory, e.Name()); strings.HasPrefix(e.Name(), temporarySockets) && abandoned(dir) {
			_ = removal.Tree(dir, time.Until(by)) // the next one tries again
		}
	}
}

// abandoned reports whether nobody can have a use for a folder.
func abandoned(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return false
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return false
	}
	state, err := ownfile.Read(filepath.Join(dir, stateFile), unix.PathMax)
	if err != nil || len(state) == 0 {
		return false
	}
	if _, err := os.Lstat(string(state)); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	sockets, _ := filepath.Glob(filepath.Join(dir, "*", "*")) // of a pattern that is right
	for _, one := range sockets {
		if c, err := net.DialTimeout("unix", one, listensWithin); err == nil {
			c.Close()
			return false // a handler waits for its supervisor, which sees its state directory elsewhere
		}
	}
	f, err := ownfile.Open(filepath.Join(dir, ownerFile), os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()                                                  // nothing was written
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil // else its supervisor sees it elsewhere
}
