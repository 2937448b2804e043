package supervisor

import (
	"context"
	"fmt"
	"os"
	"time"

	"bulkhead/internal/failpoint"
	"bulkhead/supervisor/rundir"
	"bulkhead/supervisor/upgrade"
)

// settle waits until every connection is with its handler, so that it can be adopted
// by another program. It returns how many are not when the time is over.
func (r *run) settle(within time.Duration) int {
	r.mu.Lock()
	var waiting []*link
	for l := range r.links {
		l.hurry() // a client that has not said a word is told to come again
		waiting = append(waiting, l)
	}
	r.mu.Unlock()
	late, stop := context.WithTimeout(context.Background(), within)
	defer stop()
	n := 0
	for _, l := range waiting {
		select {
		case <-l.settled:
			continue
		default:
		}
		select {
		case <-l.settled:
		case <-late.Done():
			n++
		}
	}
	return n
}

// keep leaves a connection and its handler to the next program.
func (r *run) keep(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, l)
}

// suspend lets go of the run without ending anything of it: its connections stay with
// their handlers, and what is known of its sessions is in the journal. It returns the
// connections whose handlers live.
func (r *run) suspend() []*link {
	failpoint.Hit("supervisor/before-suspend")
	r.mu.Lock()
	for l := range r.links {
		l.drop(errUpgrading)
	}
	r.mu.Unlock()
	if r.engine != nil { // what waits for it then is sent again by the handlers that have it
		late := time.AfterFunc(engineTimeout, r.engine.GiveUp)
		defer late.Stop()
	}
	r.running.Wait()
	r.farewell.Wait()
	r.recordShed()
	r.stopProc()
	r.procs.Wait()
	r.seal()
	failpoint.Hit("supervisor/after-suspend")
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*link{}, r.kept...) // never nil
}

// engineTimeout is how long what is under way may wait for the journal's engine as the run is let go of.
const engineTimeout = 10 * time.Second

// letGoTimeout is how long an upgrade that has begun may take to let go of the run, besides handlers
// that end just then. What can take so long is a disk.
const letGoTimeout = 20 * time.Second

// errNotLetGo ends a supervisor whose upgrade has begun and does not come to its end.
var errNotLetGo = fmt.Errorf("%w, and the upgrade that has begun is given up; start the supervisor again on its "+
	"state directory, and it continues the run", rundir.ErrNoAnswer)

// beginUpgrade bounds how long the run may take to be let go of.
func (s *Supervisor) beginUpgrade() {
	time.AfterFunc(letGoTimeout+s.cfg.Handler.KillTimeout, func() { close(s.overdue) }) // of no use after the end
}

// bequeath collects what the next program needs. Nothing but Exec may follow.
func (s *Supervisor) bequeath(kept []*link, signals <-chan os.Signal) (*upgrade.Inheritance, error) {
	h := upgrade.New(s.cfg.Program, signals)
	h.From, h.FromBuild = s.cfg.Version, s.cfg.Build
	var err error
	if h.Listener, err = upgrade.Duplicate(s.listener); err != nil {
		return nil, fmt.Errorf("handing the listener over: %w", err)
	}
	if h.Control, err = upgrade.Duplicate(s.control.listener); err != nil {
		return nil, fmt.Errorf("handing the control socket over: %w", err)
	}
	if h.Lock, err = upgrade.Duplicate(s.state.Lock); err != nil {
		return nil, fmt.Errorf("handing the lock over: %w", err)
	}
	if s.http != nil {
		if h.HTTP, err = upgrade.Duplicate(s.http); err != nil {
			return nil, fmt.Errorf("handing the listener for http over: %w", err)
		}
		h.HTTPListen = s.cfg.HTTP.Listen
	}
	s.stopControl() // its last calls may take a moment, in which handlers may end
	for _, l := range kept {
		if err := h.Keep(l.id, l.child); err != nil { // it ends now, or ends as an orphan
			l.log.Error("handler cannot be handed over", "error", err)
		}
	}
	for _, l := range kept {
		if err := h.NoteEnd(l.id, l.child); err != nil {
			l.log.Error("the end of a handler is not handed over", "error", err)
		}
	}
	return h, nil
}
