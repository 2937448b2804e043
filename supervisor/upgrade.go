package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"bulkhead/internal/failpoint"
	"bulkhead/supervisor/rundir"
)

// PreflightFlag is the flag with which a program checks that it could take the place
// of a running supervisor, instead of being one.
const PreflightFlag = "preflight"

const (
	// preflightTimeout bounds the check of a new program.
	preflightTimeout = 30 * time.Second
	// preflightText bounds what a new program may say of why it is not fit, in bytes.
	preflightText = 2 << 10
)

// Fitness is what a program says that could take the place of the running one.
type Fitness struct {
	Version string `json:"version"`
	// Build tells builds of one version apart; "" if it has no name.
	Build string `json:"build,omitempty"`
	// HandlerProtocol is the version of HandlerService it speaks.
	HandlerProtocol uint32 `json:"handler_protocol"`
	// StateDir is where it would look for the run; "" if it does not say.
	StateDir string `json:"state_dir,omitempty"`
}

// program is what an upgrade starts; "" for none.
func (s *Supervisor) program() string {
	if len(s.cfg.Program) == 0 {
		return ""
	}
	return s.cfg.Program[0]
}

// preflight runs the program that is to take this one's place, with its arguments, so
// that it checks whether it could. It returns what the program says it is.
func (s *Supervisor) preflight(ctx context.Context) (Fitness, error) {
	if s.program() == "" {
		return Fitness{}, errors.New("this supervisor was not started by a program that can be upgraded")
	}
	ctx, cancel := context.WithTimeout(ctx, preflightTimeout)
	defer cancel()
	var out, errs bounded
	cmd := exec.CommandContext(ctx, s.program(), append(append([]string{}, s.cfg.Program[1:]...), "--"+PreflightFlag)...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, time.Second
	inOwnGroup(cmd)
	began := time.Now()
	if err := cmd.Run(); err != nil {
		why := unfit(err)
		if ctx.Err() != nil {
			why = fmt.Sprintf("it had not answered after %s (limit %s)", roughly(time.Since(began)), preflightTimeout)
		}
		if text := strings.TrimSpace(errs.String()); text != "" {
			why += ": " + text
		}
		return Fitness{}, fmt.Errorf("%s does not pass its pre-flight: %s", s.program(), why)
	}
	var fit Fitness
	switch err := json.Unmarshal(out.Bytes(), &fit); {
	case len(bytes.TrimSpace(out.Bytes())) == 0:
		return Fitness{}, fmt.Errorf("%s does not pass its pre-flight: it said nothing; is it a bulkhead program of this version or later?", s.program())
	case err != nil || fit.Version == "":
		return Fitness{}, fmt.Errorf("%s does not pass its pre-flight: it answered %.100q; is it a bulkhead program of this version or later?", s.program(), out.String())
	}
	if fit.HandlerProtocol != handlerProtocol {
		return Fitness{}, fmt.Errorf("%s does not pass its pre-flight: it speaks version %d of the protocol with handlers, and those at work speak %d; drain instead", s.program(), fit.HandlerProtocol, handlerProtocol)
	}
	if fit.StateDir != "" && fit.StateDir != s.cfg.StateDir {
		return Fitness{}, fmt.Errorf("%s does not pass its pre-flight: its state_dir is %s, and the run is in %s; drain instead", s.program(), fit.StateDir, s.cfg.StateDir)
	}
	return fit, nil
}

// unfit says what became of a program that did not end well, or never started.
func unfit(err error) string {
	const advice = "; install the new one with a rename, as make install does"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file" + advice
	case errors.Is(err, fs.ErrPermission):
		return "this user may not run it" + advice
	case errors.Is(err, syscall.ENOEXEC):
		return "it is no program for this machine, or not all of one" + advice
	case errors.Is(err, syscall.ETXTBSY):
		return "it is being written" + advice
	default:
		return err.Error() // exit status 1, signal: killed
	}
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, preflightText-b.Len()))])
	return len(p), nil
}

// Preflight checks, in a program that is to take the place of a running supervisor,
// that it could: its configuration works, it can read the state directory and the
// journal of the run, and its handlers start. It changes nothing but a temporary
// folder, which it removes.
func Preflight(ctx context.Context, cfg Config) (Fitness, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return Fitness{}, err
	}
	running := &rundir.StateDir{Path: cfg.StateDir}
	left, err := findUnfinished(running)
	switch {
	case err != nil:
		return Fitness{}, err
	case left != nil && left.damage != nil:
		return Fitness{}, fmt.Errorf("the journal of run %s cannot be gone on with: %w", left.id, left.damage)
	}
	trial, err := trialSockets(cfg.StateDir)
	if err != nil {
		return Fitness{}, err
	}
	defer os.RemoveAll(trial)
	s := &Supervisor{cfg: cfg, state: &rundir.StateDir{Path: cfg.StateDir, Socks: &rundir.Sockets{State: cfg.StateDir, Dir: trial, Is: rundir.IdentityAt(trial)}}}
	c, err := s.startHandler(ctx)
	if err != nil {
		return Fitness{}, fmt.Errorf("no handler starts: %w", err)
	}
	s.stopHandler(c)
	return Fitness{Version: cfg.Version, Build: cfg.Build, HandlerProtocol: handlerProtocol, StateDir: cfg.StateDir}, nil
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

// settle waits until every connection is with its handler, so that it can be taken up
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
