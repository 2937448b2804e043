package joined

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/cluster/jetstream"
	"bulkhead/supervisor/cluster/patient"
	"bulkhead/supervisor/recovery"
)

// Run is a run on an engine, which this supervisor has joined.
type Run struct {
	*patient.Run
	engine *Engine
	inner  *jetstream.Run
	id     string
	// Before is the number that the supervisor of this folder had before; 0 for none.
	Before uint32
	// Job is what the run was begun for, as Resume has found it; nil for none.
	Job *bulkheadv1.JobStarted
}

// openAtOnce is how many sessions are opened at the same time.
const openAtOnce = 64

// Resume takes every session without an outcome that the supervisor of this folder had before, and returns what
// the run's records say then, without the open sessions of others.
func (r *Run) Resume(ctx context.Context) (*recovery.Past, map[string]cluster.Log, error) {
	logs, heads := make(map[string]cluster.Log), make(map[string]cluster.Head)
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed []error
	slots := make(chan struct{}, openAtOnce)
	for found, err := range r.Heads(ctx) {
		if err != nil {
			all.Wait()
			return nil, nil, err
		}
		if found.Head.Epoch == 0 || found.Head.Supervisor != r.Before {
			continue // its client comes again, or it is another's
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			l, h, err := r.Open(ctx, cluster.Hello{Client: found.Client})
			mu.Lock()
			defer mu.Unlock()
			heads[string(found.Client)] = h
			if logs[string(found.Client)] = l; err != nil {
				failed = append(failed, err)
			}
		})
	}
	if all.Wait(); len(failed) > 0 {
		return nil, nil, fmt.Errorf("taking up %d sessions: %w", len(failed), failed[0])
	}
	past, err := r.past(ctx)
	for err == nil && !reaches(past, heads) {
		// A leader that was cut off answers for an earlier time than that of the heads, which were written.
		if !rest(ctx) {
			return nil, nil, context.Cause(ctx)
		}
		past, err = r.past(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	past.Keep(func(s *recovery.Session) bool {
		return cluster.Ended(s.State) || logs[string(s.Hello.GetClientId())] != nil
	}, func(connection uint64) bool {
		of, _ := cluster.ConnectionOf(connection)
		return of == r.Before
	})
	return past, logs, nil
}

// reaches reports whether what was read has all that is behind the heads of sessions, by client id. It has more of one
// that another supervisor has taken meanwhile.
func reaches(past *recovery.Past, heads map[string]cluster.Head) bool {
	durable := make(map[string]uint64, len(past.Sessions))
	for _, s := range past.Sessions {
		durable[string(s.Hello.GetClientId())] = s.Durable
	}
	for client, h := range heads {
		if durable[client] < h.Durable {
			return false
		}
	}
	return true
}

// past folds the records, again while the engine is not there.
func (r *Run) past(ctx context.Context) (*recovery.Past, error) {
	for {
		past := recovery.New()
		var err error
		for rec, wrong := range r.Records(ctx) {
			if err = wrong; err == nil {
				err = past.Add(rec)
			}
			if job := rec.GetJobStarted(); job != nil {
				r.Job = job
			}
			if err != nil {
				break
			}
		}
		if err == nil || !errors.Is(err, cluster.ErrUnavailable) || ctx.Err() != nil {
			return past, err
		}
	}
}

// Later returns a client's session that is opened with its first record, if it ever has another one.
func (r *Run) Later(client []byte) cluster.Log { return &later{run: r, client: client} }

type later struct {
	run    *Run
	client []byte
	log    cluster.Log // nil until it is opened
}

func (l *later) open(ctx context.Context) (err error) {
	if l.log == nil {
		l.log, _, err = l.run.Open(ctx, cluster.Hello{Client: l.client})
	}
	return err
}

// Append implements cluster.Log.
func (l *later) Append(ctx context.Context, h cluster.Head, recs ...*bulkheadv1.Record) error {
	if err := l.open(ctx); err != nil {
		return err
	}
	return l.log.Append(ctx, h, recs...)
}

// Opened implements cluster.Log.
func (l *later) Opened(ctx context.Context) (*bulkheadv1.SessionOpened, error) {
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	return l.log.Opened(ctx)
}

// Release implements cluster.Log.
func (l *later) Release() {
	if l.log != nil {
		l.log.Release()
	}
}

// Finish ends the run, in which every session that somebody has said something of has its outcome. One
// that a client was given as its supervisor died, and of which nothing was said, is lost. A run that has
// its end keeps that.
func (r *Run) Finish(ctx context.Context, e *bulkheadv1.RunEnded) error {
	if err := r.Seal(ctx); err != nil {
		return err
	}
	for found, err := range r.Heads(ctx) {
		if err == nil && found.Head.Epoch == 0 {
			err = r.unsaid(ctx, found)
		}
		if err != nil {
			return err
		}
	}
	if err := r.End(ctx, e); !errors.Is(err, cluster.ErrEnded) {
		return err
	}
	return nil
}

func (r *Run) unsaid(ctx context.Context, found cluster.Found) error {
	name := "unknown-" + hex.EncodeToString(found.Client[:min(len(found.Client), 4)])
	l, h, err := r.Open(ctx, cluster.Hello{Client: found.Client, Opened: &bulkheadv1.SessionOpened{
		Hello: &bulkheadv1.Hello{ClientId: found.Client, Name: name}}})
	if err != nil || h.Ended() || h.Epoch != found.Head.Epoch+1 { // its client has come meanwhile
		return err
	}
	h.Phase = bulkheadv1.SessionState_SESSION_STATE_LOST
	return l.Append(ctx, h, &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionEnded{
		SessionEnded: &bulkheadv1.SessionEnded{Session: h.Session, Outcome: bulkheadv1.Outcome_OUTCOME_LOST,
			Cause: "its supervisor ended before it had a connection"}}})
}

// Found is what Export has found on the engine beside the run, for a person.
type Found struct {
	// Damage is what is wrong with replicas, of which another one was read.
	Damage []string
	// Unseen are the nodes that could not be asked.
	Unseen []string
}

// Export writes the run, which has its end, into a folder that it makes as an ordinary journal, instead
// of what is there. All who export a run come to the same bytes: it is an error if another did not.
func (r *Run) Export(ctx context.Context, dir string) (found Found, err error) {
	half := filepath.Join(filepath.Dir(dir), ".exported")
	if err := os.RemoveAll(half); err != nil {
		return found, fmt.Errorf("exporting the run: %w", err)
	}
	made, err := jetstream.Export(ctx, r.engine.source(r.id), half, 0)
	if err != nil {
		return found, fmt.Errorf("exporting the run: %w", err)
	}
	for _, d := range made.Damage {
		found.Damage = append(found.Damage, d.Words()+"; this report is from node "+made.Node+", which has all")
	}
	for _, err := range made.Unseen {
		found.Unseen = append(found.Unseen, err.Error())
	}
	first, err := r.inner.Reported(ctx, made.Sum)
	switch {
	case err != nil:
		return found, fmt.Errorf("noting what was exported: %w", err)
	case first != made.Sum:
		return found, fmt.Errorf("the run was exported as %x before, and is %x now", first, made.Sum)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(half, dir)); err != nil {
		return found, fmt.Errorf("exporting the run: %w", err)
	}
	return found, nil
}
