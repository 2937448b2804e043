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

	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/rundir"
	"bulkhead/supervisor/watch"
)

// What people and cleaners of temporary files may remove under a running supervisor is
// made again, and told: the lock file, the control socket, the links to the runs and the
// handlers' records. Of the journal nothing can be made again: without it the run ends.

// upkeep looks after the state directory, and after the memory that this process takes, until ctx is
// done.
func (s *Supervisor) upkeep(ctx context.Context) {
	again := time.NewTicker(watch.LookEvery)
	defer again.Stop()
	troubles := make(map[string]bool) // told, and not mended yet
	for {
		select {
		case <-again.C:
			s.garbage.Look()
			for what, err := range map[string]error{
				rundir.LockFile: s.state.KeepLock(s.mended), rundir.ControlSocket: s.control.keep(s.mended),
				rundir.RunsFolder: s.keepLinks(),
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

// mended logs that something was removed and is there again.
func (s *Supervisor) mended(what string) {
	s.cfg.Logger.Warn("something was removed from the state directory, and is made again", "path", what)
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
// follows would go into files without a name, and what was acknowledged is
// gone. It makes the records of the handlers again.
func (r *run) checkFolder() {
	lost := ""
	entries, err := os.ReadDir(r.folder)
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
// supervisor could not adopt the handlers.
func (r *run) keepRoster() {
	if !r.roster.Lost() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.roster.Restore(); err != nil {
		return // told when a handler is noted
	}
	again := 0
	for l := range r.links {
		if !l.noted {
			continue
		}
		if err := l.note(r); err != nil {
			l.log.Error("another supervisor could not adopt this handler", "error", err)
			continue
		}
		again++
	}
	r.log.Warn("something was removed from the state directory, and is made again", "path", r.roster.Folder(),
		"handlers", again)
}
