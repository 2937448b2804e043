package joined

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
	"bulkhead/internal/failpoint"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/access"
	"bulkhead/supervisor/cluster/jetstream"
	"bulkhead/supervisor/cluster/patient"
)

// Engine is an engine that runs may be on.
type Engine struct {
	// Patience is how long one call of the engine is tried until it counts as not there; 0 is 10 s. It
	// is set before Join.
	Patience time.Duration

	cfg      config.Journal
	maxFrame int
	urls     []string
	monitors []string
	options  []nats.Option
	log      *slog.Logger
	unproven []string // what Check has found and the settings accept
}

// New returns the engine of the settings, for clients whose frames have up to so many bytes. Its errors
// wrap exitstatus.ErrConfig.
func New(cfg config.Journal, maxFrame int, log *slog.Logger) (*Engine, error) {
	e := &Engine{cfg: cfg, maxFrame: maxFrame, log: log, monitors: parts(cfg.Monitor)}
	var err error
	if e.urls, err = access.Nodes(parts(cfg.URL)); err != nil {
		return nil, fmt.Errorf("%w: journal.url: %w", exitstatus.ErrConfig, err)
	}
	for _, text := range e.monitors {
		if !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") {
			return nil, fmt.Errorf("%w: journal.monitor: %q is not where a node tells of itself; use http://HOST:8222",
				exitstatus.ErrConfig, text)
		}
	}
	key := access.Key{Creds: cfg.Creds, CA: cfg.TLS.CA, Cert: cfg.TLS.Cert, CertKey: cfg.TLS.Key}
	if e.options, err = key.Options(); err != nil {
		return nil, fmt.Errorf("%w: journal: %w", exitstatus.ErrConfig, err)
	}
	return e, nil
}

// parts returns what is between commas.
func parts(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// Check asks the engine's nodes how they are set up. Its error, which wraps exitstatus.ErrConfig, says
// what to change where; there is none when all that is wrong is accepted by the settings, and then the
// runs say so.
func (e *Engine) Check(ctx context.Context) error {
	problems := jetstream.Check(ctx, e.monitors, jetstream.Need{Replicas: e.cfg.Replicas, MaxFrame: e.maxFrame})
	var refused []string
	e.unproven = nil
	for _, p := range problems {
		if p.Unproven && e.cfg.Unproven == config.JournalAccept {
			e.unproven = append(e.unproven, p.String())
			continue
		}
		refused = append(refused, p.String())
	}
	if len(refused) == 0 {
		for _, p := range e.unproven {
			e.log.Warn("acknowledgements are not proven durable, as journal.unproven accepts", "reason", p)
		}
		return nil
	}
	advice := ""
	if slices.ContainsFunc(problems, func(p jetstream.Problem) bool { return p.Unproven }) {
		advice = "; or set journal.unproven: accept where acknowledgements need not be proven durable"
	}
	return fmt.Errorf("%w: the engine of the journal: %s%s", exitstatus.ErrConfig, strings.Join(refused, "; "), advice)
}

// joinPatience is how long Join tries.
const joinPatience = 10 * time.Minute

// betweenJoins is the time between two tries of Join, besides what each takes.
const betweenJoins = 500 * time.Millisecond

// Join joins a run, which it begins with a record if it has not begun, and says in it that a supervisor
// has come, whose number it fills in, and that it had last. While the engine is not there it tries again, until ctx is
// done or joinPatience is over: a start in an outage waits for its end.
func (e *Engine) Join(ctx context.Context, id, dir string, started *bulkheadv1.Record,
	come *bulkheadv1.SupervisorJoined) (*Run, error) {
	over := fmt.Errorf("it was waited for, for %s", joinPatience)
	ctx, cancel := context.WithTimeoutCause(ctx, joinPatience, over)
	defer cancel()
	for told := false; ; told = true {
		r, err := e.join(ctx, id, dir, started, come)
		if !errors.Is(err, cluster.ErrUnavailable) || access.Refused(err) {
			return r, err
		}
		if ctx.Err() == nil && !told {
			e.log.Error("the journal's engine cannot be reached, and the supervisor waits for it, until a signal comes",
				"run", id, "at_most", joinPatience, "error", err)
		}
		select {
		case <-time.After(betweenJoins):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; %w", err, context.Cause(ctx))
		}
	}
}

// join does what Join does, once.
func (e *Engine) join(ctx context.Context, id, dir string, started *bulkheadv1.Record,
	come *bulkheadv1.SupervisorJoined) (*Run, error) {
	m, err := mark(dir)
	if err != nil {
		return nil, err
	}
	inner, err := jetstream.Join(ctx, jetstream.Config{Run: id, URLs: e.urls, Options: e.options, Started: started,
		Shards: e.cfg.Shards, Replicas: e.cfg.Replicas, Patience: e.Patience})
	failpoint.Hit("supervisor/joined")
	if err != nil {
		return nil, fmt.Errorf("the engine of the journal: %w", err)
	}
	r := &Run{Run: patient.On(inner, e.log), engine: e, inner: inner, id: id, Before: m.Supervisor}
	come.Supervisor, come.Before = inner.Supervisor(), m.Supervisor
	m.Supervisor = come.GetSupervisor()
	if err = m.write(dir); err == nil {
		err = r.greet(ctx, come)
	}
	if err != nil {
		r.Close() // the error says more
		return nil, err
	}
	return r, nil
}

// greet says that a supervisor has come, and what of the engine is not proven.
func (r *Run) greet(ctx context.Context, come *bulkheadv1.SupervisorJoined) error {
	recs := []*bulkheadv1.Record{{Entry: &bulkheadv1.Record_SupervisorJoined{SupervisorJoined: come}}}
	if len(r.engine.unproven) > 0 {
		unproven := &bulkheadv1.JournalUnproven{Supervisor: come.GetSupervisor(), Problems: r.engine.unproven}
		recs = append(recs,
			&bulkheadv1.Record{Entry: &bulkheadv1.Record_JournalUnproven{JournalUnproven: unproven}})
	}
	c, err := r.Census(ctx)
	if err != nil || c.Ended {
		return err
	}
	if err := r.Note(ctx, recs...); err != nil {
		return fmt.Errorf("the engine of the journal: %w", err)
	}
	return nil
}

// source returns the run for who reads it.
func (e *Engine) source(id string) jetstream.Source {
	s := jetstream.Source{Run: id, Options: e.options, Patience: e.Patience}
	for i, url := range e.urls {
		n := jetstream.Node{URL: url}
		if len(e.monitors) == len(e.urls) {
			n.Monitor = e.monitors[i]
		}
		s.Nodes = append(s.Nodes, n)
	}
	return s
}

var _ cluster.Run = (*Run)(nil)
