package rundir

import (
	"fmt"
	"os"
	"path/filepath"

	"bulkhead/internal/flock"
)

// KeepLock makes the lock file again if it was removed. The directory itself is locked
// too, so no other supervisor came in meanwhile.
func (s *StateDir) KeepLock(mended func(string)) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	path := filepath.Join(s.Path, LockFile)
	info, err := s.Lock.Stat()
	if err != nil || IdentityAt(path) == identityOf(info) {
		return err
	}
	if _, err := os.Stat(s.Path); err != nil {
		return nil // all of it is gone, which the run says
	}
	lock, err := openLock(s.Path)
	if err != nil {
		return fmt.Errorf("making %s again: %w", LockFile, err)
	}
	if err := flock.Try(lock); err != nil {
		lock.Close()
		return fmt.Errorf("%s was replaced, and cannot be locked: %w", LockFile, err)
	}
	s.Lock.Close()
	s.Lock = lock
	mended(LockFile)
	return nil
}
