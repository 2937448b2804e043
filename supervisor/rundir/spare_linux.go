package rundir

import (
	"os"
	"path/filepath"
)

// spareFolder is the folder of the state directory in which children make their sockets while the one
// in memory has no room: whoever may write in shared memory can fill it.
const spareFolder = "sock.disk"

// spare returns the path of the spare folder.
func (s *Sockets) spare() string { return filepath.Join(s.State, spareFolder) }

// orSpare returns the folder for the next child's socket: the spare one if the other is outside of the
// state directory and full. s.mu is held.
func (s *Sockets) orSpare() string {
	if filepath.Dir(s.Dir) == s.State || hasRoom(s.Dir) || len(s.spare())+ChildSocketPath > MaxSocketPath {
		return s.Dir
	}
	if err := os.Mkdir(s.spare(), 0o700); err != nil && !s.hasSpare() {
		return s.Dir // which may have room all the same
	}
	return s.spare()
}

// hasSpare reports whether the spare folder is there, this user's, and nobody else can enter it.
func (s *Sockets) hasSpare() bool {
	info, err := os.Lstat(s.spare())
	return err == nil && info.Mode().Perm() == 0o700 && private(s.spare())
}

// Of returns the folder in which a child's is, as its record says it, if that is one of this state
// directory; else the one that there was last.
func (s *Sockets) Of(child string) string {
	if filepath.Dir(child) == s.spare() && s.hasSpare() {
		return s.spare()
	}
	return s.Current()
}
