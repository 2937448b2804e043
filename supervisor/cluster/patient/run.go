package patient

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
)

// Run is a run on an engine. It implements cluster.Run.
type Run struct {
	inner  cluster.Run
	log    *slog.Logger
	ctx    context.Context
	giveUp context.CancelFunc
	notes  notes
	tasks  sync.WaitGroup // who writes notes

	mu sync.Mutex
	// missing is how many calls wait for an engine that was not there, and since when, by boottime, the
	// first of them does; guarded by mu.
	missing int
	since   int64
}

// On returns a Run on another one, which it closes.
func On(inner cluster.Run, log *slog.Logger) *Run {
	r := &Run{inner: inner, log: log}
	r.ctx, r.giveUp = context.WithCancel(context.Background())
	return r
}

// GiveUp ends the patience: what is not available now is an error, for those who wait too.
func (r *Run) GiveUp() { r.giveUp() }

// Trying is done when the patience is over.
func (r *Run) Trying() context.Context { return r.ctx }

// Outage returns for how long the engine has not been there; 0 if it is, as far as is known.
func (r *Run) Outage() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.missing == 0 {
		return 0
	}
	return time.Duration(max(boottime.Now()-r.since, 1))
}

// insist calls do until it says something else than that the engine is not there.
func (r *Run) insist(do func() error) error {
	missed := false
	for {
		began := boottime.Now()
		err := do()
		if !errors.Is(err, cluster.ErrUnavailable) || r.ctx.Err() != nil {
			if missed {
				r.arrived(err)
			}
			return err
		}
		if !missed {
			missed = true
			r.missed(began, err)
		}
		pause(r.ctx)
	}
}

// betweenTries is the time between two tries of what takes its own time to fail.
const betweenTries = 50 * time.Millisecond

func pause(ctx context.Context) {
	timer := time.NewTimer(betweenTries)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// missed takes note of a call that waits for the engine since then.
func (r *Run) missed(began int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.missing++; r.missing == 1 {
		r.since = began
		r.log.Error("the journal's engine cannot be reached: nothing is acknowledged, and clients go on until it is",
			"error", err)
	}
}

// arrived takes note that such a call has its answer.
func (r *Run) arrived(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.missing--; r.missing > 0 || errors.Is(err, cluster.ErrUnavailable) {
		return
	}
	now := time.Now()
	lasted := max(boottime.At(now)-r.since, 1)
	r.log.Warn("the journal's engine is reached again", "after", time.Duration(lasted).Round(time.Millisecond))
	rec := &bulkheadv1.Record{TimeUnixNano: now.UnixNano(), ElapsedNano: boottime.At(now),
		Entry: &bulkheadv1.Record_JournalUnavailable{JournalUnavailable: &bulkheadv1.JournalUnavailable{
			Supervisor: r.inner.Supervisor(), UnavailableNano: lasted}}}
	r.post(&posted{recs: []*bulkheadv1.Record{rec}, done: make(chan error, 1)})
}

// Supervisor implements cluster.Run.
func (r *Run) Supervisor() uint32 { return r.inner.Supervisor() }

// Connection implements cluster.Run.
func (r *Run) Connection() uint64 { return r.inner.Connection() }

// Open implements cluster.Run.
func (r *Run) Open(ctx context.Context, h cluster.Hello) (cluster.Log, cluster.Head, error) {
	var opened cluster.Log
	var head cluster.Head
	err := r.insist(func() (err error) {
		opened, head, err = r.inner.Open(ctx, h)
		return err
	})
	if err != nil {
		return nil, head, err
	}
	return &log{run: r, inner: opened}, head, nil
}

// Census implements cluster.Run.
func (r *Run) Census(ctx context.Context) (c cluster.Census, err error) {
	err = r.insist(func() error {
		c, err = r.inner.Census(ctx)
		return err
	})
	return c, err
}

// Heads implements cluster.Run. It is tried until all are there.
func (r *Run) Heads(ctx context.Context) iter.Seq2[cluster.Found, error] {
	return func(yield func(cluster.Found, error) bool) {
		var list []cluster.Found
		err := r.insist(func() error {
			list = list[:0]
			for f, err := range r.inner.Heads(ctx) {
				if err != nil {
					return err
				}
				list = append(list, f)
			}
			return nil
		})
		if err != nil {
			yield(cluster.Found{}, err)
			return
		}
		for _, f := range list {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// Seal implements cluster.Run.
func (r *Run) Seal(ctx context.Context) error {
	return r.insist(func() error { return r.inner.Seal(ctx) })
}

// End implements cluster.Run. When the engine was not there as it was tried, this Run's own end can be
// what it finds: then the answer is cluster.ErrEnded.
func (r *Run) End(ctx context.Context, e *bulkheadv1.RunEnded) error {
	return r.insist(func() error { return r.inner.End(ctx, e) })
}

// Records implements cluster.Run. It is as it is on the engine: who reads tries again.
func (r *Run) Records(ctx context.Context) iter.Seq2[*bulkheadv1.Record, error] {
	return r.inner.Records(ctx)
}

// Close implements cluster.Run. It waits for nothing that waits for the engine.
func (r *Run) Close() error {
	r.giveUp()
	r.tasks.Wait()
	return r.inner.Close()
}

// log is a session that was opened.
type log struct {
	run   *Run
	inner cluster.Log
}

// Append implements cluster.Log.
func (l *log) Append(ctx context.Context, h cluster.Head, recs ...*bulkheadv1.Record) error {
	return l.run.insist(func() error { return l.inner.Append(ctx, h, recs...) })
}

// Opened implements cluster.Log.
func (l *log) Opened(ctx context.Context) (o *bulkheadv1.SessionOpened, err error) {
	err = l.run.insist(func() error {
		o, err = l.inner.Opened(ctx)
		return err
	})
	return o, err
}

// Release implements cluster.Log.
func (l *log) Release() { l.inner.Release() }
