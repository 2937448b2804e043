package site

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
)

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
	}
	s.release()
	return nil
}
