package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bulkhead/internal/flock"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/rundir"
	"bulkhead/supervisor/watch"
)

// What people and cleaners of temporary files may remove under a running supervisor is
// made again, and told: the lock file, the control socket, the links to the runs and the
// handlers' records. Of the journal nothing can be made again: without it the run ends.

// upkeep looks after the state directory until ctx is done.
func (s *Supervisor) upkeep(ctx context.Context) {
	again := time.NewTicker(watch.LookEvery)
	defer again.Stop()
	troubles := make(map[string]bool) // told, and not mended yet
	for {
		select {
		case <-again.C:
			for what, err := range map[string]error{
				rundir.LockFile: keepLock(s.state, s.mended), rundir.ControlSocket: s.control.keep(s.mended), rundir.RunsFolder: s.keepLinks(),
			} {
				if err != nil && !troubles[what] {
					s.cfg.Logger.Error("the state directory was changed", "path", what, "error", err)
				}
				troubles[what] = err != nil
			}
		case <-ctx.Done():
			return
		}
	}
}

// mended says that something was removed and is there again.
func (s *Supervisor) mended(what string) {
	s.cfg.Logger.Warn("something was removed from the state directory, and is made again", "path", what)
}

// keepLock makes the lock file again if it was removed. The directory itself is locked
// too, so no other supervisor came in meanwhile.
func keepLock(s *rundir.StateDir, mended func(string)) error {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	path := filepath.Join(s.Path, rundir.LockFile)
	info, err := s.Lock.Stat()
	if err != nil || rundir.IdentityAt(path) == rundir.IdentityOf(info) {
		return err
	}
	if _, err := os.Stat(s.Path); err != nil {
		return nil // all of it is gone, which the run says
	}
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("making %s again: %w", rundir.LockFile, err)
	}
	if err := flock.Try(lock); err != nil {
		lock.Close()
		return fmt.Errorf("%s was replaced, and cannot be locked: %w", rundir.LockFile, err)
	}
	s.Lock.Close()
	s.Lock = lock
	mended(rundir.LockFile)
	return nil
}

// keepLinks makes the links to the runs again, if they were removed.
func (s *Supervisor) keepLinks() error {
	r := s.currentRun()
	if r == nil {
		return nil
	}
	if _, err := os.Stat(r.dir); err != nil {
		return nil // the run says so
	}
	links := []string{rundir.CurrentLink}
	if r.isLatest.Load() {
		links = append(links, rundir.LatestLink)
	}
	for _, link := range links {
		if _, err := os.Lstat(filepath.Join(s.state.Path, rundir.RunsFolder, link)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := s.state.Point(link, r.id); err != nil {
			return err
		}
		s.mended(filepath.Join(rundir.RunsFolder, link))
	}
	return nil
}

// checkFolder ends the run when its folder, or a part of its journal, was removed: what
// follows would go into files that have no name any more, and what was acknowledged is
// gone. It makes the records of the handlers again.
func (r *run) checkFolder() {
	lost := ""
	entries, err := os.ReadDir(filepath.Join(r.dir, rundir.JournalFolder))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		lost = "the folder of the journal of the run"
		if _, err := os.Stat(r.dir); errors.Is(err, fs.ErrNotExist) {
			lost = "the folder of the run, " + r.dir + ","
		}
	case err != nil:
		return // not known
	default:
		now := make(map[string]bool, len(entries))
		for _, e := range entries {
			now[e.Name()] = true
		}
		for name := range r.segments {
			if !now[name] && strings.HasSuffix(name, journal.SegmentSuffix) {
				lost = "a part of the journal, " + name + ","
			}
		}
		r.segments = now
	}
	if lost == "" {
		r.keepRoster()
		return
	}
	select {
	case r.failed <- fmt.Errorf("%s was removed", lost):
		r.log.Error(lost+" was removed; the run ends", "run_dir", r.dir)
	default:
	}
}

// keepRoster makes the records of handlers again that were removed: without them another
// supervisor could not take the handlers up.
func (r *run) keepRoster() {
	entries, err := os.ReadDir(string(r.roster))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	noted := 0
	for l := range r.links {
		if l.noted {
			noted++
		}
	}
	if err == nil && len(entries) >= noted {
		return
	}
	if err := os.MkdirAll(string(r.roster), 0o755); err != nil {
		return // told when a handler is noted
	}
	again := 0
	for l := range r.links {
		if _, err := os.Stat(r.roster.Path(l.id)); !l.noted || err == nil {
			continue
		}
		if err := l.note(r); err != nil {
			l.log.Error("another supervisor could not take this handler up", "error", err)
			continue
		}
		again++
	}
	if again > 0 || err != nil {
		r.log.Warn("something was removed from the state directory, and is made again", "path", string(r.roster), "handlers", again)
	}
}
