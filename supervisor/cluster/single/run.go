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
	file        *journal.File
	connections atomic.Uint64

	ending        sync.RWMutex // held by whoever appends to a session, and alone by End
	mu            sync.Mutex
	sessions      map[string]*session // guarded by mu; by client id
	order         []*session          // guarded by mu; by number
	sealed, ended bool                // guarded by mu; ended changes with ending held alone
}

// session is one session, with what its newest record left.
type session struct {
	client []byte
	opened *bulkheadv1.SessionOpened
	mu     sync.Mutex
	head   cluster.Head // guarded by mu
}

// Create begins a run in a folder that has none.
func Create(dir string, started *bulkheadv1.Record, o journal.Options) (*Run, error) {
	file, err := journal.Create(dir, o)
	if err != nil {
		return nil, err
	}
	r := &Run{dir: dir, file: file, sessions: make(map[string]*session)}
	if err := r.append(started); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

// append makes records durable, dated now if they have no date yet. Nothing ends it early: what may have
// become durable is known.
func (r *Run) append(recs ...*bulkheadv1.Record) error {
	now := time.Now()
	for _, rec := range recs {
		if rec.GetEntry() == nil {
			return fmt.Errorf("%w: a record has no entry", cluster.ErrRefused)
		}
		if rec.GetTimeUnixNano() == 0 {
			rec.TimeUnixNano, rec.ElapsedNano = now.UnixNano(), boottime.At(now)
		}
	}
	if len(recs) == 0 {
		return nil
	}
	err := r.file.Append(context.Background(), recs...)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrFailed), errors.Is(err, journal.ErrClosed):
		return fmt.Errorf("%w: %w", cluster.ErrFailed, err)
	default:
		return fmt.Errorf("%w: %w", cluster.ErrRefused, err)
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
	s := &session{client: h.Client, opened: h.FirstOf(uint32(len(r.order)) + 1)}
	s.head = cluster.Head{Session: s.opened.GetSession(), Supervisor: 1,
		Phase: bulkheadv1.SessionState_SESSION_STATE_NEW}
	rec := &bulkheadv1.Record{Entry: &bulkheadv1.Record_SessionOpened{SessionOpened: proto.CloneOf(s.opened)}}
	if err := r.append(rec); err != nil {
		return nil, err
	}
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
	r.mu.Lock()
	defer r.mu.Unlock()
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
	if err := l.run.append(recs...); err != nil {
		return err
	}
	s.head = h
	return nil
}

// Opened implements cluster.Log.
func (l *log) Opened(context.Context) (*bulkheadv1.SessionOpened, error) {
	return proto.CloneOf(l.session.opened), nil
}

// Release implements cluster.Log.
func (l *log) Release() { l.gone = true }
