package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"bulkhead/internal/spelling"
)

// Config says which client is tried, and how.
type Config struct {
	// Listen is the address that clients connect to; "" is a free port of 127.0.0.1.
	Listen string
	// Command is the client, started once for each scenario, with BULKHEAD_SUPERVISOR in its
	// environment and the address in the place of each argument ADDRESS. Empty waits for
	// clients that somebody starts.
	Command []string
	// Only are the names of the scenarios to play; empty is all.
	Only []string
	// Patience is how long the client may take for each step of a scenario; 0 is 30 s.
	Patience time.Duration
	// Progress receives a line for a person as each scenario begins, and what Command
	// prints; nil is nobody.
	Progress io.Writer
}

// ErrUnknownScenario says that Config.Only names a scenario that does not exist.
var ErrUnknownScenario = errors.New("unknown scenario")

// quiet is how long nothing must come before the client counts as waiting.
const quiet = time.Second

// Run plays the scenarios, one after the other. It returns an error if it cannot: the
// address or the command cannot be used, or ctx is done. What the client does wrong is in
// the result.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if cfg.Patience <= 0 {
		cfg.Patience = 30 * time.Second
	}
	if cfg.Progress == nil {
		cfg.Progress = io.Discard
	}
	cfg.Progress = &shared{w: cfg.Progress}
	play, err := choose(cfg.Only)
	if err != nil {
		return nil, err
	}
	lis, err := net.Listen("tcp", orDefault(cfg.Listen, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	defer lis.Close()
	res := &Result{seen: newSeen()}
	for _, s := range play {
		outcome, err := perform(ctx, cfg, lis, s, res)
		if err != nil {
			return nil, err
		}
		res.Scenarios = append(res.Scenarios, outcome)
	}
	return res, nil
}

// choose returns the scenarios with these names, all for none, in the order of Scenarios.
func choose(names []string) ([]scenario, error) {
	if len(names) == 0 {
		return scenarios, nil
	}
	for _, n := range names {
		if !slices.ContainsFunc(scenarios, func(s scenario) bool { return s.name == n }) {
			return nil, fmt.Errorf("%w %q; %sthere are %s", ErrUnknownScenario, n, spelling.Meant(n, Scenarios()),
				strings.Join(Scenarios(), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(scenarios),
		func(s scenario) bool { return !slices.Contains(names, s.name) }), nil
}

// Scenarios returns the names of all scenarios, in the order in which they are played.
func Scenarios() []string {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.name
	}
	return names
}

// perform plays one scenario to a client of its own.
func perform(ctx context.Context, cfg Config, lis net.Listener, s scenario, res *Result) (Outcome, error) {
	t := newTrial(ctx, cfg, lis.(*net.TCPListener), res)
	defer t.close()
	if err := t.start(); err != nil {
		return Outcome{}, err
	}
	fmt.Fprintf(cfg.Progress, "%s: %s\n", s.name, t.invitation())
	s.play(t)
	t.settle(s)
	if err := context.Cause(ctx); err != nil {
		return Outcome{}, err
	}
	return Outcome{Name: s.name, Rule: s.rule, Verdict: t.verdict(), Why: t.why()}, nil
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// shared is a writer for the run and for the client that it has started.
type shared struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
