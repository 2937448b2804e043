package supervisor

import (
	"context"
	"fmt"
	"os"
	"time"

	"bulkhead/internal/protocol"
	"bulkhead/internal/removal"
	"bulkhead/supervisor/custody"
	"bulkhead/supervisor/rundir"
	"bulkhead/supervisor/upgrade"
)

// program returns what an upgrade starts; "" for none.
func (s *Supervisor) program() string {
	if len(s.cfg.Program) == 0 {
		return ""
	}
	return s.cfg.Program[0]
}

// trialGone is how long it may take to remove the temporary folder of a pre-flight.
const trialGone = 5 * time.Second

// Preflight checks, in a program that is to take the place of a running supervisor,
// that it could: its configuration works, it can read the state directory and the
// journal of the run, and its handlers start. It changes nothing but a temporary
// folder, which it removes.
func Preflight(ctx context.Context, cfg Config) (upgrade.Fitness, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return upgrade.Fitness{}, err
	}
	running := &rundir.StateDir{Path: cfg.StateDir}
	left, err := findUnfinished(running)
	switch {
	case err != nil:
		return upgrade.Fitness{}, err
	case left != nil && left.damage != nil:
		return upgrade.Fitness{}, fmt.Errorf("the journal of run %s cannot be continued: %w", left.id, left.damage)
	}
	trial, err := trialSockets(cfg.StateDir)
	if err != nil {
		return upgrade.Fitness{}, err
	}
	defer removal.Tree(trial, trialGone)
	held, err := custody.New(cfg.Handler, os.Geteuid(), cfg.Logger)
	if err != nil {
		return upgrade.Fitness{}, err
	}
	s := &Supervisor{cfg: cfg, custody: held, state: &rundir.StateDir{Path: cfg.StateDir,
		Socks: &rundir.Sockets{State: cfg.StateDir, Dir: trial, Is: rundir.IdentityAt(trial)}}}
	c, err := s.startHandler(ctx)
	if err != nil {
		return upgrade.Fitness{}, fmt.Errorf("no handler starts: %w",
			custody.Unfit(ctx, cfg.Handler.Path, cfg.Version, err))
	}
	s.stopHandler(c)
	return upgrade.Fitness{Version: cfg.Version, Build: cfg.Build, HandlerProtocol: protocol.HandlerVersion,
		StateDir: cfg.StateDir}, nil
}

// trialSockets makes a folder for the socket of a handler on trial: in the state
// directory, which a supervisor may write in any case, unless its path is too long.
func trialSockets(stateDir string) (string, error) {
	parent := stateDir
	if len(stateDir)+len("/trial-0123456789")+rundir.ChildSocketPath > rundir.MaxSocketPath {
		parent = ""
	}
	dir, err := os.MkdirTemp(parent, "trial-")
	if err != nil {
		return "", fmt.Errorf("making a folder for sockets: %w", err)
	}
	return dir, nil
}
