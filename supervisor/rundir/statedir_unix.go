package rundir

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/flock"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/removal"
	"bulkhead/internal/wholefile"
)

// Names in the state directory.
const (
	LockFile      = "supervisor.lock"
	ControlSocket = "supervisor.sock"
	RunsFolder    = "runs"
	JobsFolder    = "jobs"
	LatestLink    = "latest"
	CurrentLink   = ".current" // the run that is served, which may not be the latest yet
	socketFolder  = "sock"
	JournalFolder = "journal"
	HandlerFolder = "handlers"
	RunFile       = "run.json"
	TextReport    = "report.txt"
)

// ErrLocked says that another supervisor uses the state directory.
var ErrLocked = errors.New("another supervisor uses this state directory")

// StateDir is a state directory that this process has locked.
type StateDir struct {
	Path string
	// whole is the directory itself, locked like the lock file in it, which may be removed.
	whole *os.File // nil where directories cannot be locked
	Socks *Sockets
	Mu    sync.Mutex
	Lock  *os.File // guarded by mu
	// KeepSockets says that handlers of another supervisor's time still have theirs.
	KeepSockets bool
	made        []string // the folders that Open made, outermost first
}

// Open makes and locks a state directory. lock is its lock file if this
// process has it already, since before an upgrade, and nil otherwise.
func Open(path string, lock *os.File) (*StateDir, error) {
	made := missingFolders(filepath.Join(path, RunsFolder))
	if err := makeFolders(path); err != nil {
		return nil, StateDirError(err)
	}
	for _, folder := range made { // what is durable in them is of no use without them
		if err := wholefile.SyncFolder(filepath.Dir(folder)); err != nil {
			return nil, StateDirError(err)
		}
	}
	kept := lock != nil
	if !kept {
		var err error
		if lock, err = lockStateDir(path); err != nil {
			return nil, err
		}
	}
	whole, err := lockWhole(path)
	if err != nil && !kept { // a run that is served continues
		lock.Close()
		return nil, err
	}
	s := &StateDir{Path: path, whole: whole, Lock: lock, made: made}
	if s.Socks, err = openSockets(path); err != nil {
		lock.Close()
		whole.Close()
		return nil, err
	}
	return s, nil
}

// makeFolders makes a state directory and the folder of its runs, for this user alone, and returns
// why one that is there is not safe.
func makeFolders(path string) error {
	runs := filepath.Join(path, RunsFolder)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	if err := ownfile.CheckFolder(path); err != nil {
		return err
	}
	if err := os.Mkdir(runs, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := ownfile.CheckFolder(runs); err != nil {
		return err
	}
	info, err := os.Stat(runs)
	if err == nil && info.Mode().Perm()&0o077 != 0 { // of a version that let others look
		err = os.Chmod(runs, 0o700)
	}
	return err
}

// lockWhole locks the directory itself: the lock file may be removed under a running
// supervisor, and another one would lock a new one. The directory is nil where the file
// system locks no directories.
func lockWhole(path string) (*os.File, error) {
	whole, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, StateDirError(err)
	}
	switch err := flock.Within(whole, lockPatience); {
	case err == nil:
		return whole, nil
	case errors.Is(err, flock.ErrHeld):
		whole.Close()
		return nil, fmt.Errorf("%w: %s", ErrLocked, path)
	default:
		whole.Close()
		return nil, nil
	}
}

// StateDirError returns why a state directory cannot be used. Only what is a matter of its path
// and of who may write there is the configuration's; a full or failing disk is not, and
// may be better the next time.
func StateDirError(err error) error {
	var foreign *ownfile.ForeignError
	var kind *ownfile.KindError
	if errors.As(err, &foreign) || errors.As(err, &kind) || errors.Is(err, ownfile.ErrLink) ||
		errors.Is(err, ownfile.ErrOpenToAll) {
		return fmt.Errorf("%w: state_dir: %w", exitstatus.ErrConfig, err)
	}
	for _, lasting := range []error{
		syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.ENOTDIR, syscall.EEXIST, syscall.ENAMETOOLONG,
		syscall.ELOOP, syscall.EINVAL,
	} {
		if errors.Is(err, lasting) {
			return fmt.Errorf("%w: state_dir: %w", exitstatus.ErrConfig, err)
		}
	}
	return fmt.Errorf("state_dir: %w", err)
}

// lockStateDir locks a state directory for this process.
func lockStateDir(path string) (*os.File, error) {
	lock, err := openLock(path)
	if err != nil {
		return nil, StateDirError(err)
	}
	if err := flock.Within(lock, lockPatience); err != nil {
		lock.Close()
		if errors.Is(err, flock.ErrHeld) {
			return nil, fmt.Errorf("%w: %s", ErrLocked, path)
		}
		return nil, fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	return lock, nil
}

// openLock opens the lock file of a state directory, which nobody else can open, so that nobody else
// can hold its lock.
func openLock(path string) (*os.File, error) {
	lock, err := ownfile.Open(filepath.Join(path, LockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock.Chmod(0o600); err != nil && !errors.Is(err, fs.ErrPermission) { // root's stays as it is
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// lockPatience is how long a lock may be held by what a killed supervisor leaves: a
// child that it had forked, and that has not got to its execve(2) yet.
const lockPatience = time.Second

// Close removes what only a running supervisor needs and unlocks. The sockets of
// handlers that another supervisor is to adopt stay.
func (s *StateDir) Close() error {
	if !s.KeepSockets {
		s.Socks.remove()
	}
	s.Mu.Lock()
	defer s.Mu.Unlock()
	s.whole.Close() // nil is fine
	return s.Lock.Close()
}

// missingFolders returns those of path and the folders above it that do not exist, outermost first.
func missingFolders(path string) []string {
	var missing []string
	for {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return missing
		}
		missing = append([]string{path}, missing...)
		path = filepath.Dir(path)
	}
}

// Unmake removes a state directory that Open made and that no run was begun
// in. What somebody else put there stays, with the folders around it.
func (s *StateDir) Unmake() {
	if !slices.Contains(s.made, s.Path) {
		return
	}
	s.Socks.remove()
	os.Remove(filepath.Join(s.Path, LockFile))
	for _, folder := range slices.Backward(s.made) {
		if os.Remove(folder) != nil {
			return
		}
	}
}

// NewRunDir makes the folder of a new run, which is the one that is served from now on, and stays.
func (s *StateDir) NewRunDir(now time.Time) (id, dir string, err error) {
	suffix := make([]byte, 3)
	rand.Read(suffix) // never fails
	id = now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(suffix)
	if dir, err = s.NamedRunDir(id); err != nil {
		return "", "", err
	}
	return id, dir, nil
}

// NamedRunDir makes the folder of a new run as NewRunDir does, with a name that it has already, unless it
// is there.
func (s *StateDir) NamedRunDir(id string) (dir string, err error) {
	runs := filepath.Join(s.Path, RunsFolder)
	dir = filepath.Join(runs, id)
	for _, folder := range []string{dir, filepath.Join(dir, HandlerFolder)} {
		if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("making a run directory: %w", err)
		}
	}
	if err := s.Point(CurrentLink, id); err != nil {
		return "", err
	}
	if err := wholefile.SyncFolder(runs); err != nil {
		return "", fmt.Errorf("making a run directory: %w", err)
	}
	return dir, nil
}

// Point makes a link among the runs lead to a run.
func (s *StateDir) Point(link, id string) error {
	runs := filepath.Join(s.Path, RunsFolder)
	fresh := filepath.Join(runs, "."+id+"."+strings.TrimPrefix(link, "."))
	err := os.Symlink(id, fresh)
	if err == nil {
		err = os.Rename(fresh, filepath.Join(runs, link))
	}
	if err != nil {
		os.Remove(fresh)
		return fmt.Errorf("pointing %s at run %s: %w", link, id, err)
	}
	return nil
}

// pointsAt returns the run that a link among the runs leads to; "" for none.
func (s *StateDir) pointsAt(link string) string {
	id, err := os.Readlink(filepath.Join(s.Path, RunsFolder, link))
	if err != nil {
		return ""
	}
	return filepath.Base(id)
}

// Served records that a run is over and reported, or gone.
func (s *StateDir) Served(id string) {
	if s.pointsAt(CurrentLink) == id {
		os.Remove(filepath.Join(s.Path, RunsFolder, CurrentLink)) // if it stays, its run has a report
	}
}

// Forget removes the folder of a run that nobody came to, if it is not the latest, and says
// whether it did.
func (s *StateDir) Forget(id string) (bool, error) {
	if s.pointsAt(LatestLink) == id {
		return false, nil
	}
	s.Served(id)
	if err := removal.Tree(filepath.Join(s.Path, RunsFolder, id), removeWithin); err != nil {
		return false, fmt.Errorf("removing a run that nobody came to: %w", err)
	}
	return true, nil
}
