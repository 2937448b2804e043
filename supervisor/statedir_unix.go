package supervisor

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Names in the state directory.
const (
	lockFile      = "supervisor.lock"
	controlSocket = "supervisor.sock"
	runsFolder    = "runs"
	latestLink    = "latest"
	socketFolder  = "sock"
	journalFolder = "journal"
	handlerFolder = "handlers"
)

const (
	// maxSocketPath is the longest path a unix socket can have (sun_path, unix(7)).
	maxSocketPath = 107
	// childSocketPath is the longest that a child's socket adds to its folder's path:
	// go-plugin's "/plugin-dir" and "/plugin" with ten digits each.
	childSocketPath = len("/plugin-dir0123456789/plugin0123456789")
)

// ErrLocked says that another supervisor uses the state directory.
var ErrLocked = errors.New("another supervisor uses this state directory")

// stateDir is a state directory that this process has locked.
type stateDir struct {
	path    string
	lock    *os.File
	sockets string // where children make their sockets
}

// openStateDir makes and locks a state directory.
func openStateDir(path string) (*stateDir, error) {
	if err := os.MkdirAll(filepath.Join(path, runsFolder), 0o755); err != nil {
		return nil, fmt.Errorf("%w: state_dir: %w", ErrConfig, err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("%w: state_dir: %w", ErrConfig, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", ErrLocked, path)
		}
		return nil, fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	s := &stateDir{path: path, lock: lock}
	if err := s.makeSockets(); err != nil {
		lock.Close()
		return nil, err
	}
	return s, nil
}

// makeSockets makes the folder for the children's sockets: in the state directory,
// or where paths are short enough if the state directory's is not.
func (s *stateDir) makeSockets() error {
	s.removeSockets() // left by a supervisor that was killed
	link := filepath.Join(s.path, socketFolder)
	if len(link)+childSocketPath <= maxSocketPath {
		s.sockets = link
		if err := os.Mkdir(link, 0o700); err != nil {
			return fmt.Errorf("%w: state_dir: %w", ErrConfig, err)
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "bulkhead-sock-")
	if err != nil {
		return fmt.Errorf("making a folder for sockets: %w", err)
	}
	if len(dir)+childSocketPath > maxSocketPath {
		os.Remove(dir)
		return fmt.Errorf("%w: state_dir and the temporary folder %s have paths too long for unix sockets; choose a state_dir of at most %d bytes",
			ErrConfig, os.TempDir(), maxSocketPath-childSocketPath-len("/"+socketFolder))
	}
	s.sockets = dir
	if err := os.Symlink(dir, link); err != nil {
		os.Remove(dir)
		return fmt.Errorf("%w: state_dir: %w", ErrConfig, err)
	}
	return nil
}

// removeSockets removes the folder for sockets wherever it is.
func (s *stateDir) removeSockets() {
	link := filepath.Join(s.path, socketFolder)
	if target, err := os.Readlink(link); err == nil && strings.HasPrefix(filepath.Base(target), "bulkhead-sock-") {
		os.RemoveAll(target)
	}
	os.RemoveAll(link)
}

// close removes what only a running supervisor needs and unlocks.
func (s *stateDir) close() error {
	s.removeSockets()
	return s.lock.Close()
}

// newRunDir makes the folder of a new run and points latest at it.
func (s *stateDir) newRunDir(now time.Time) (id, dir string, err error) {
	suffix := make([]byte, 3)
	rand.Read(suffix) // never fails
	id = now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(suffix)
	runs := filepath.Join(s.path, runsFolder)
	dir = filepath.Join(runs, id)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", "", fmt.Errorf("making a run directory: %w", err)
	}
	if err := os.Mkdir(filepath.Join(dir, handlerFolder), 0o755); err != nil {
		return "", "", fmt.Errorf("making a run directory: %w", err)
	}
	fresh := filepath.Join(runs, "."+id)
	if err := os.Symlink(id, fresh); err != nil {
		return "", "", fmt.Errorf("pointing %s at run %s: %w", latestLink, id, err)
	}
	if err := os.Rename(fresh, filepath.Join(runs, latestLink)); err != nil {
		os.Remove(fresh)
		return "", "", fmt.Errorf("pointing %s at run %s: %w", latestLink, id, err)
	}
	return id, dir, nil
}
