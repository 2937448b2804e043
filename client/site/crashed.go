package site

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"bulkhead/client/names"
)

// ErrNoRecord is wrapped by the error of a folder of which nothing says whose it is: its client is making
// it, or a worker of a dead one is about to remove it, or was killed then.
var ErrNoRecord = errors.New("has no record yet, or no more")

// Sweep removes what crashed clients of this machine left in a path, as the next client there would. It
// returns an error while something of them, or of the client that was process pid, is still there. A path
// that is not there has none.
func Sweep(path string, pid int, log *slog.Logger) error {
	s, err := OpenSite(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer s.Root.Close()
	f := &Folders{here: Here(), log: log}
	f.removeLeftovers(s)
	c, err := s.Look()
	if err != nil {
		return err
	}
	for _, name := range c.Clients {
		if r, dead := s.Dead(name, f.here); dead || r.PID == pid && r.Boot == f.here.boot && !r.Keep {
			return fmt.Errorf("%s is still there", name)
		}
		if s.recordless(name) {
			return fmt.Errorf("%s %w", name, ErrNoRecord)
		}
	}
	s.release()
	return nil
}

// recordless reports whether a client's folder has no record.
func (s *Site) recordless(name string) bool {
	folder, err := s.openFolder(name)
	if err != nil {
		return false // gone, or another user's
	}
	defer folder.Close()
	_, err = folder.Lstat(names.Record)
	return errors.Is(err, fs.ErrNotExist)
}
