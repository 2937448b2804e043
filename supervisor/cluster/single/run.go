package single

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/journal"
)

// Run is a run with one supervisor. It implements cluster.Run.
type Run struct {
	dir         string
	file        journal.Journal
	lazy        bool
	connections atomic.Uint64

	ending   sync.RWMutex // held by whoever appends, and alone by End
	mu       sync.Mutex
	sessions map[string]*session // guarded by mu; by client id
	order    []*session          // guarded by mu; by number
	sealed   bool                // guarded by mu
	ended    bool                // guarded by ending
}

// session is one session, with what its newest record left.
type session struct {
	client []byte
	number uint32
	mu     sync.Mutex
	head   cluster.Head       // guarded by mu
	first  *bulkheadv1.Record // guarded by mu; SessionOpened; nil once it is in the journal
}

// Create begins a run in a folder that has none.
func Create(dir string, started *bulkheadv1.Record, o journal.Options) (*Run, error) {
	file, err := journal.Create(dir, o)
	if err != nil {
		return nil, err
	}
	r := newRun(dir, file)
	if err := r.append(started); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

// On returns a run on the open journal of a folder, which the Run closes. The number of its last
// connection is given; who resumes a run gives it its sessions with Restore, before anything else.
//
// The record that begins a new session waits for the session's first Append, and is in the journal
// with that: so they share one fsync, and Open never waits for a disk. Until then the session can be
// lost, and nobody may be told of it.
func On(dir string, file journal.Journal, connections uint64) *Run {
	r := newRun(dir, file)
	r.lazy = true
	r.connections.Store(connections)
	return r
}

func newRun(dir string, file journal.Journal) *Run {
	return &Run{dir: dir, file: file, sessions: make(map[string]*session)}
}

// Start makes the first record of a new run durable.
func (r *Run) Start(started *bulkheadv1.Record) error { return r.append(started) }

// Restore adds a session as the journal has it, and opens it.
func (r *Run) Restore(client []byte, h cluster.Head) cluster.Log {
	r.mu.Lock()
	defer r.mu.Unlock()
	h.Epoch, h.Supervisor = h.Epoch+1, 1
	s := &session{client: client, number: h.Session, head: h}
	r.sessions[string(client)] = s
	r.order = append(r.order, s)
	return &log{run: r, session: s, epoch: h.Epoch}
}

// reworded is an error that a caller of a cluster.Run branches on, in the journal's own words.
type reworded struct {
	error
	is error
}

func (e *reworded) Unwrap() []error { return []error{e.error, e.is} }

// date sets the time of a record that has none to now.
func date(rec *bulkheadv1.Record) {
	if rec.GetTimeUnixNano() == 0 {
		now := time.Now()
		rec.TimeUnixNano, rec.ElapsedNano = now.UnixNano(), boottime.At(now)
	}
}

// append makes records durable, dated now if they have no date yet. Nothing ends it early: what may have
// become durable is known.
func (r *Run) append(recs ...*bulkheadv1.Record) error {
	for _, rec := range recs {
		if rec.GetEntry() == nil {
			return fmt.Errorf("%w: a record has no entry", cluster.ErrRefused)
		}
		date(rec)
	}
	if len(recs) == 0 {
		return nil
	}
	err := r.file.Append(context.Background(), recs...)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrFailed), errors.Is(err, journal.ErrClosed):
		return &reworded{err, cluster.ErrFailed}
	default:
		return &reworded{err, cluster.ErrRefused}
	}
}

// Supervisor implements cluster.Run.
func (r *Run) Supervisor() uint32 { return 1 }

// Connection implements cluster.Run: connections are numbered from 1.
func (r *Run) Connection() uint64 { return r.connections.Add(1) }

// Open implements cluster.Run.
func (r *Run) Open(_ context.Context, h cluster.Hello) (cluster.Log, cluster.Head, error) {
	if n := len(h.Client); n < 1 || n > 32 {
		return nil, cluster.Head{}, fmt.Errorf("%w: a client's id has 1 to 32 bytes, not %d", cluster.ErrRefused, n)
	}
	s, err := r.enrol(h)
	if err != nil {
		return nil, cluster.Head{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head.Epoch++
	return &log{run: r, session: s, epoch: s.head.Epoch}, s.head, nil
}

// enrol returns the session of a client, which gets one if it is new.
func (r *Run) enrol(h cluster.Hello) (*session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sessions[string(h.Client)]; s != nil {
		return s, nil
	}
	if r.sealed {
		return nil, fmt.Errorf("%w: it takes no new clients", cluster.ErrEnded)
	}
	number := uint32(1)
	if n := len(r.order); n > 0 {
		number = r.order[n-1].number + 1
	}
	first := &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionOpened{SessionOpened: h.FirstOf(number)}}
	date(first)
	if !r.lazy {
		if err := r.append(first); err != nil {
			return nil, err
		}
		first = nil
	}
	s := &session{client: h.Client, number: number, first: first, head: cluster.Head{Session: number, Supervisor: 1,
		Phase: bulkheadv1.SessionState_SESSION_STATE_NEW}}
	r.sessions[string(h.Client)] = s
	r.order = append(r.order, s)
	return s, nil
}

// Note implements cluster.Run.
func (r *Run) Note(_ context.Context, recs ...*bulkheadv1.Record) error {
	for _, rec := range recs {
		if _, of := cluster.SessionOf(rec); of || rec.GetRunStarted() != nil || rec.GetRunEnded() != nil {
			return fmt.Errorf("%w: %T is not a fact of no session", cluster.ErrRefused, rec.GetEntry())
		}
	}
	r.ending.RLock()
	defer r.ending.RUnlock()
	if r.ended {
		return cluster.ErrEnded
	}
	return r.append(recs...)
}

// open returns the sessions that have not ended, and their heads. r.mu is held.
func (r *Run) open() (list []cluster.Found) {
	for _, s := range r.order {
		s.mu.Lock()
		if !s.head.Ended() {
			list = append(list, cluster.Found{Client: s.client, Head: s.head})
		}
		s.mu.Unlock()
	}
	return list
}

// Census implements cluster.Run.
func (r *Run) Census(context.Context) (cluster.Census, error) {
	r.ending.RLock() // before mu, as End does
	defer r.ending.RUnlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	return cluster.Census{Supervisors: 1, Joined: uint32(len(r.order)), Open: uint32(len(r.open())), Sealed: r.sealed,
		Ended: r.ended}, nil
}

// Heads implements cluster.Run.
func (r *Run) Heads(context.Context) iter.Seq2[cluster.Found, error] {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.open()
	return func(yield func(cluster.Found, error) bool) {
		for _, f := range list {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// Seal implements cluster.Run.
func (r *Run) Seal(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealed = true
	return nil
}

// End implements cluster.Run.
func (r *Run) End(_ context.Context, e *bulkheadv1.RunEnded) error {
	r.ending.Lock()
	defer r.ending.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended:
		return cluster.ErrEnded
	case !r.sealed || len(r.open()) > 0:
		return fmt.Errorf("%w: it is not sealed, or has open sessions", cluster.ErrOpen)
	}
	err := r.append(&bulkheadv1.Record{Entry: &bulkheadv1.Record_RunEnded{RunEnded: e}})
	r.ended = err == nil
	return err
}

// Records implements cluster.Run: the order is that of the file.
func (r *Run) Records(ctx context.Context) iter.Seq2[*bulkheadv1.Record, error] {
	return func(yield func(*bulkheadv1.Record, error) bool) {
		enough := errors.New("who reads has enough")
		_, err := journal.Replay(r.dir, func(rec *bulkheadv1.Record) error {
			if !yield(rec, nil) {
				return enough
			}
			return ctx.Err()
		})
		if err != nil && !errors.Is(err, enough) {
			yield(nil, err)
		}
	}
}

// Close implements cluster.Run.
func (r *Run) Close() error { return r.file.Close() }

// log is a session that was opened.
type log struct {
	run     *Run
	session *session
	epoch   uint64
	gone    bool // released
}

// Append implements cluster.Log. It holds the session, so that nobody opens it meanwhile; what others
// append shares the fsync.
func (l *log) Append(_ context.Context, h cluster.Head, recs ...*bulkheadv1.Record) error {
	s := l.session
	l.run.ending.RLock() // before s.mu, as End does
	defer l.run.ending.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.gone || s.head.Epoch != l.epoch {
		return cluster.ErrMoved
	}
	if l.run.ended {
		return cluster.ErrEnded
	}
	h.Session, h.Epoch, h.Supervisor = s.head.Session, s.head.Epoch, s.head.Supervisor
	if err := cluster.Follows(s.head, h, recs); err != nil {
		return err
	}
	if s.first != nil {
		recs = append([]*bulkheadv1.Record{s.first}, recs...)
	}
	if err := l.run.append(recs...); err != nil {
		return err
	}
	s.head, s.first = h, nil
	return nil
}

// Opened implements cluster.Log. It reads the journal up to there.
func (l *log) Opened(ctx context.Context) (*bulkheadv1.SessionOpened, error) {
	l.session.mu.Lock()
	first, number := l.session.first, l.session.number
	l.session.mu.Unlock()
	if first != nil {
		return proto.CloneOf(first.GetSessionOpened()), nil
	}
	for rec, err := range l.run.Records(ctx) {
		if err != nil {
			return nil, err
		}
		if o := rec.GetSessionOpened(); o.GetSession() == number {
			return o, nil
		}
	}
	return nil, fmt.Errorf("%w: the journal does not have the begin of session %d", cluster.ErrFailed, number)
}

// Release implements cluster.Log.
func (l *log) Release() { l.gone = true }
