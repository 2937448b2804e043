package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/removal"
)

const (
	// MaxSocketPath is the longest path a unix socket can have (sun_path, unix(7)).
	MaxSocketPath = 107
	// ChildSocketPath is the longest that a child's socket adds to its folder's path:
	// go-plugin's "/plugin-dir" and "/plugin" with ten digits each.
	ChildSocketPath = len("/plugin-dir0123456789/plugin0123456789")
	// temporarySockets begins the name of a folder for sockets that is not in its state
	// directory.
	temporarySockets = "bulkhead-sock-"
	// ownerFile says in such a folder whose it is: which state directory's.
	ownerFile = ".owner"
	// ownerMaxBytes bounds what is read of it.
	ownerMaxBytes = 128
	// stateFile has the path of that state directory.
	stateFile = ".state"
	// removeWithin is how long it may take to remove what children left in the folder, or a
	// folder of a run.
	removeWithin = 10 * time.Second
)

// Identity is which file or folder is at a path, whatever it is called.
type Identity struct{ device, inode uint64 }

// identityOf returns the Identity of what info describes.
func identityOf(info fs.FileInfo) Identity {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Identity{}
	}
	return Identity{uint64(st.Dev), st.Ino}
}

// IdentityAt returns what is at a path; the zero value if nothing is.
func IdentityAt(path string) Identity {
	info, err := os.Lstat(path)
	if err != nil {
		return Identity{}
	}
	return identityOf(info)
}

// Sockets is the folder in which children make their sockets: in memory, where that is possible, in the
// state directory, or where paths are short enough if the state directory's is not. In a file system on
// a disk, a child's folder and its socket take a tenth of what the start of a handler takes in all. What
// is removed is what was made here, by its identity, and not what has its name by then: paths are
// reused, and a state directory that was copied has the link of the other one.
type Sockets struct {
	State string // directory
	mu    sync.Mutex
	Dir   string   // guarded by mu
	Is    Identity // guarded by mu; of dir
	held  *os.File // guarded by mu; see hold; may be nil
}

// openSockets finds the folder for the children's sockets that a supervisor before
// this one left, or makes it.
func openSockets(state string) (*Sockets, error) {
	s := &Sockets{State: state}
	s.mu.Lock()
	defer s.mu.Unlock()
	if dir := s.left(); dir != "" {
		s.Dir, s.Is = dir, IdentityAt(dir)
		s.hold()
		return s, nil
	}
	return s, s.make()
}

// Folder returns where a child is to make its socket. A folder that was removed is made again,
// which again says.
func (s *Sockets) Folder() (dir string, again bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Is != (Identity{}) && IdentityAt(s.Dir) == s.Is {
		return s.orSpare(), false, nil
	}
	if dir := s.left(); dir != "" { // somebody else made it again
		s.Dir, s.Is = dir, IdentityAt(dir)
		s.hold()
		return s.Dir, true, nil
	}
	if err := s.make(); err != nil {
		return "", false, err
	}
	return s.Dir, true, nil
}

// Current returns the folder as it was last.
func (s *Sockets) Current() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Dir
}

// link returns the path of the folder, or of a link to it, in the state directory.
func (s *Sockets) link() string { return filepath.Join(s.State, socketFolder) }

// make makes the folder. s.mu is held.
func (s *Sockets) make() error {
	link := s.link()
	if info, err := os.Lstat(link); err == nil && info.IsDir() {
		if err := removal.Tree(link, removeWithin); err != nil { // it is in our directory, and no use
			return StateDirError(err)
		}
	} else if err == nil { // where it leads to may be somebody else's
		if err := os.Remove(link); err != nil {
			return StateDirError(err)
		}
	}
	if inMemory := memoryBeside(s.State); inMemory != "" {
		// One that is full, whoever filled it, is no reason not to begin: there may be no room for a file.
		if dir, err := os.MkdirTemp(inMemory, temporarySockets); err == nil && s.furnish(dir) == nil {
			sweepAbandoned(inMemory)
			if inMemory != sharedMemory {
				sweepAbandoned(sharedMemory)
			}
			return nil
		}
	}
	if len(link)+ChildSocketPath <= MaxSocketPath {
		if err := os.Mkdir(link, 0o700); err != nil {
			return StateDirError(err)
		}
		s.Dir, s.Is = link, IdentityAt(link)
		return nil
	}
	dir, err := os.MkdirTemp("", temporarySockets)
	if err != nil {
		return fmt.Errorf("making a folder for sockets: %w", err)
	}
	if len(dir)+ChildSocketPath > MaxSocketPath {
		os.Remove(dir)
		return fmt.Errorf("%w: state_dir and the temporary folder %s have paths too long for unix sockets; choose a "+
			"state_dir of at most %d bytes",
			exitstatus.ErrConfig, os.TempDir(), MaxSocketPath-ChildSocketPath-len("/"+socketFolder))
	}
	if err := s.furnish(dir); err != nil {
		return StateDirError(err)
	}
	return nil
}

// furnish says in a folder outside of the state directory whose it is, and links to it; it removes the
// folder if that fails. s.mu is held.
func (s *Sockets) furnish(dir string) error {
	err := os.WriteFile(filepath.Join(dir, ownerFile), []byte(s.owner()), 0o600)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, stateFile), []byte(s.State), 0o600)
	}
	if err == nil {
		err = os.Symlink(dir, s.link())
	}
	if err != nil {
		return errors.Join(err, removal.Tree(dir, removeWithin))
	}
	s.Dir, s.Is = dir, IdentityAt(dir)
	s.hold()
	return nil
}

// owner returns what stands in the folder of this state directory.
func (s *Sockets) owner() string {
	is := IdentityAt(s.State)
	return fmt.Sprintf("%d:%d\n", is.device, is.inode)
}

// left returns the folder that the state directory has, if it is one that can be used: this
// user's, that nobody else can enter, and of this state directory; else "".
func (s *Sockets) left() string {
	dir := s.link()
	if target, err := os.Readlink(dir); err == nil {
		if !strings.HasPrefix(filepath.Base(target), temporarySockets) {
			return ""
		}
		// A folder without an owner is of a version that did not note it.
		owner, err := ownfile.Read(filepath.Join(target, ownerFile), ownerMaxBytes)
		if err == nil && string(owner) != s.owner() || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ""
		}
		dir = target
	}
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Geteuid() {
		return ""
	}
	return dir
}

// Clear removes what children that are gone left in the folder, and in the spare one: all but what is
// named.
func (s *Sockets) Clear(keep map[string]bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := time.Now().Add(removeWithin)
	err := clearFolder(s.Dir, keep, by)
	if info, none := os.Lstat(s.spare()); none == nil && info.IsDir() {
		err = errors.Join(err, clearFolder(s.spare(), keep, by))
		_ = os.Remove(s.spare()) // if it is empty
	}
	if err != nil {
		return fmt.Errorf("clearing the folder for sockets: %w", err)
	}
	return nil
}

// clearFolder removes all but what is named from a folder for sockets.
func clearFolder(dir string, keep map[string]bool, by time.Time) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if keep[path] || e.Name() == ownerFile || e.Name() == stateFile {
			continue
		}
		if stays := removal.Tree(path, time.Until(by)); err == nil {
			err = stays
		}
	}
	return err
}

// remove removes the folder and the link to it, if they are still those of this state
// directory.
func (s *Sockets) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letGo()
	if info, err := os.Lstat(s.spare()); err == nil && info.IsDir() {
		removal.Tree(s.spare(), removeWithin)
	}
	link := s.link()
	if target, err := os.Readlink(link); err == nil && target == s.Dir {
		os.Remove(link)
	}
	if s.Is != (Identity{}) && IdentityAt(s.Dir) == s.Is {
		removal.Tree(s.Dir, removeWithin)
	}
}
