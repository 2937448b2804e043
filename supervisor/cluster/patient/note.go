package patient

import (
	"context"
	"errors"
	"sync"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
)

// notes are the facts of no session that wait to be written. One goroutine writes, as long as there are
// any.
type notes struct {
	mu      sync.Mutex
	waiting []*posted // guarded by mu
	writing bool      // guarded by mu
}

// posted is one Note.
type posted struct {
	recs []*bulkheadv1.Record
	done chan error // has room
}

// mostTogether is how many records of Notes are written together.
const mostTogether = 256

// Note implements cluster.Run.
func (r *Run) Note(_ context.Context, recs ...*bulkheadv1.Record) error {
	p := &posted{recs: recs, done: make(chan error, 1)}
	r.post(p)
	return <-p.done
}

// post has a Note written. Its answer goes to p.done.
func (r *Run) post(p *posted) {
	n := &r.notes
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting = append(n.waiting, p)
	if !n.writing {
		n.writing = true
		r.tasks.Go(r.write)
	}
}

// take returns some of what waits; nothing ends the writing.
func (n *notes) take() (list []*posted, recs []*bulkheadv1.Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.waiting) > 0 && len(recs) < mostTogether {
		list, recs = append(list, n.waiting[0]), append(recs, n.waiting[0].recs...)
		n.waiting = n.waiting[1:]
	}
	if len(list) == 0 {
		n.waiting, n.writing = nil, false
	}
	return list, recs
}

// write writes what waits, until nothing does.
func (r *Run) write() {
	for {
		list, recs := r.notes.take()
		if len(list) == 0 {
			return
		}
		err := r.note(recs)
		for _, p := range list {
			if len(list) > 1 && errors.Is(err, cluster.ErrRefused) { // some of it, and the others do not know
				p.done <- r.note(p.recs)
				continue
			}
			p.done <- err
		}
	}
}

func (r *Run) note(recs []*bulkheadv1.Record) error {
	return r.insist(context.Background(), func(ctx context.Context) error { return r.inner.Note(ctx, recs...) })
}
