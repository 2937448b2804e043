package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/access"
	"bulkhead/supervisor/cluster/jetstream"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/saved"
	"bulkhead/supervisor/rundir"
)

// Engine is an engine, and a run in it if the place names one.
type Engine struct {
	place  access.Place
	source jetstream.Source
}

// New returns the engine at a place. monitors are where its nodes tell of themselves over HTTP
// ("http://host:8222"), to be asked for the state of their replicas first; none need be named.
func New(place access.Place, key access.Key, monitors []string) (*Engine, error) {
	options, err := key.Options()
	if err != nil {
		return nil, err
	}
	e := &Engine{place: place, source: jetstream.Source{Run: place.Run, Options: options}}
	for _, u := range place.URLs {
		e.source.Nodes = append(e.source.Nodes, jetstream.Node{URL: u})
	}
	for _, m := range monitors {
		e.source.Nodes = append(e.source.Nodes, jetstream.Node{Monitor: m})
	}
	return e, nil
}

// NoRunError says that an engine has no such run.
type NoRunError struct{ text string }

// Error says how to see which runs there are.
func (e *NoRunError) Error() string { return e.text }

// DamageError says that no replica that was looked at has the whole run.
type DamageError struct{ error }

// explained returns an error of the engine as an operator can act on it.
func (e *Engine) explained(err error) error {
	only := access.Place{URLs: e.place.URLs}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrNoRun):
		return &NoRunError{fmt.Sprintf("%s: there is no run %q; `bulkhead journal list %s` lists those that are there",
			only, e.place.Run, only)}
	case errors.Is(err, jetstream.ErrDamaged):
		return &DamageError{fmt.Errorf("%s: %w", e.place, err)}
	case access.Refused(err):
		return fmt.Errorf("%s: %w; give a user who may read the run: --journal-creds, or --journal-tls-cert "+
			"and --journal-tls-key", only, err)
	case errors.Is(err, cluster.ErrUnavailable):
		return fmt.Errorf("%s: %w; start one of these nodes, or name others", only, err)
	default:
		return fmt.Errorf("%s: %w", only, err)
	}
}

// Report returns the report of the run, from the first node that has the whole of it. What is damaged
// elsewhere is in the verdict; what could not be asked comes back as well.
func (e *Engine) Report(ctx context.Context) (r *report.Report, unseen []error, err error) {
	dir, err := os.MkdirTemp("", "bulkhead-journal-")
	if err != nil {
		return nil, nil, fmt.Errorf("a folder for what is read from the engine: %w", err)
	}
	defer os.RemoveAll(dir)
	made, err := e.export(ctx, dir)
	if err != nil {
		return nil, made.Unseen, err
	}
	r, err = reportOf(dir, made)
	return r, made.Unseen, err
}

// export writes the run's journal into the folder of a run.
func (e *Engine) export(ctx context.Context, dir string) (jetstream.Exported, error) {
	made, err := jetstream.Export(ctx, e.source, filepath.Join(dir, rundir.JournalFolder), 0)
	return made, e.explained(err)
}

// reportOf returns the report of a run that was exported into a folder.
func reportOf(dir string, made jetstream.Exported) (*report.Report, error) {
	r, err := saved.Rebuilt(dir)
	if err != nil {
		return nil, err
	}
	for _, d := range made.Damage {
		r.Verdict.Warnings = append(r.Verdict.Warnings, fmt.Sprintf("%s; this report is from node %s, which has all",
			d.Words(), made.Node))
	}
	return r, nil
}
