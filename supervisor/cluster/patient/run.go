package patient

import (
	"context"
	"errors"
	"fmt"
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
	missed  time.Duration // guarded by mu; for how long it was not there, before that
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
	return r.outage()
}

// outage does what Outage does. r.mu is held.
func (r *Run) outage() time.Duration {
	if r.missing == 0 {
		return 0
	}
	return time.Duration(max(boottime.Now()-r.since, 1))
}

// Missed returns for how long the engine has not been there, in all.
func (r *Run) Missed() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.missed + r.outage()
}

// noticed is how long the engine may take to answer until it counts as not there. The election of a leader
// takes longer; a disk that has much to write does not.
const noticed = 3 * time.Second

// errNoAnswer is why it counts as that before a call has come to an end.
var errNoAnswer = fmt.Errorf("it has not answered for %s", noticed)

// call is a call of the engine.
type call struct {
	asked        int64 // guarded by Run.mu; when it asked for something last, by boottime
	missed, over bool  // guarded by Run.mu
}

// insist calls do until it says something else than that the engine is not there, or until ctx is done.
func (r *Run) insist(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx) // also when the patience is over
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	c := &call{asked: boottime.Now()}
	late := time.AfterFunc(noticed, func() { r.misses(c, errNoAnswer) })
	late.Stop() // it runs while something is asked for
	defer late.Stop()
	ctx = cluster.Traced(ctx, func() {
		r.mu.Lock()
		if !c.missed {
			c.asked = boottime.Now()
		}
		r.mu.Unlock()
		late.Reset(noticed)
	}, func() { late.Stop() })
	for {
		err := do(ctx)
		if !errors.Is(err, cluster.ErrUnavailable) || ctx.Err() != nil {
			r.arrived(c, err)
			return err
		}
		r.misses(c, err)
		pause(ctx)
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

// misses takes note, once, of a call for which the engine is not there.
func (r *Run) misses(c *call, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.missed || c.over {
		return
	}
	c.missed = true
	if r.missing++; r.missing > 1 {
		r.since = min(r.since, c.asked)
		return
	}
	r.since = c.asked
	r.log.Error("the journal's engine cannot be reached: nothing is acknowledged, and clients go on until it is",
		"error", err)
}

// arrived takes note that a call has its answer.
func (r *Run) arrived(c *call, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.over = true
	if !c.missed {
		return
	}
	lasted := r.outage()
	if r.missing--; r.missing > 0 {
		return
	}
	r.missed += lasted
	if errors.Is(err, cluster.ErrUnavailable) {
		return
	}
	now := time.Now()
	r.log.Warn("the journal's engine is reached again", "after", lasted.Round(time.Millisecond))
	rec := &bulkheadv1.Record{TimeUnixNano: now.UnixNano(), ElapsedNano: boottime.At(now),
		Entry: &bulkheadv1.Record_JournalUnavailable{JournalUnavailable: &bulkheadv1.JournalUnavailable{
			Supervisor: r.inner.Supervisor(), UnavailableNano: int64(lasted)}}}
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
	err := r.insist(ctx, func(ctx context.Context) (err error) {
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
	err = r.insist(ctx, func(ctx context.Context) error {
		c, err = r.inner.Census(ctx)
		return err
	})
	return c, err
}

// Heads implements cluster.Run. It is tried until all are there.
func (r *Run) Heads(ctx context.Context) iter.Seq2[cluster.Found, error] {
	return func(yield func(cluster.Found, error) bool) {
		var list []cluster.Found
		err := r.insist(ctx, func(ctx context.Context) error {
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
	return r.insist(ctx, func(ctx context.Context) error { return r.inner.Seal(ctx) })
}

// End implements cluster.Run. When the engine was not there as it was tried, this Run's own end can be
// what it finds: then the answer is cluster.ErrEnded.
func (r *Run) End(ctx context.Context, e *bulkheadv1.RunEnded) error {
	return r.insist(ctx, func(ctx context.Context) error { return r.inner.End(ctx, e) })
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
	return l.run.insist(ctx, func(ctx context.Context) error { return l.inner.Append(ctx, h, recs...) })
}

// Opened implements cluster.Log.
func (l *log) Opened(ctx context.Context) (o *bulkheadv1.SessionOpened, err error) {
	err = l.run.insist(ctx, func(ctx context.Context) error {
		o, err = l.inner.Opened(ctx)
		return err
	})
	return o, err
}

// Release implements cluster.Log.
func (l *log) Release() { l.inner.Release() }
