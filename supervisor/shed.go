package supervisor

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// shedEvery is how often the connections shed since the last time are journalled
// and logged: a flood must not become a flood of records.
const shedEvery = 5 * time.Second

// shedding counts the connections of one run that were refused to shed load. The
// zero value is ready.
type shedding struct {
	total atomic.Uint64

	mu      sync.Mutex
	tallies map[string]*shedTally // guarded by mu; by reason
}

// shedTally is what was shed for one reason since it was last journalled.
type shedTally struct {
	count uint64
	since time.Time
}

// add counts one connection. It returns whether the reason is new: none was shed for
// it in the time before.
func (s *shedding) add(now time.Time, why string) (fresh bool) {
	s.total.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tallies[why]
	if t == nil {
		if s.tallies == nil {
			s.tallies = make(map[string]*shedTally)
		}
		t = &shedTally{}
		s.tallies[why] = t
		fresh = true
	}
	if t.count == 0 {
		t.since = now
	}
	t.count++
	return fresh
}

// take returns what was counted since it was last called, by reason.
func (s *shedding) take() []*bulkheadv1.ConnectionsShed {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*bulkheadv1.ConnectionsShed
	for _, why := range slices.Sorted(maps.Keys(s.tallies)) {
		t := s.tallies[why]
		if t.count == 0 {
			delete(s.tallies, why) // a whole interval without
			continue
		}
		out = append(out, &bulkheadv1.ConnectionsShed{Count: t.count, Reason: why, SinceUnixNano: t.since.UnixNano(), SinceElapsedNano: boottime.At(t.since)})
		t.count = 0
	}
	return out
}

// shed counts a connection that is refused.
func (r *run) shed(log *slog.Logger, no *refusal) {
	if r.shedding.add(time.Now(), no.why) {
		log.Warn("connections are shed", "reason", no.why, "retry_after", no.retryAfter)
	}
}

// recordShed journals and logs what was shed since it was last called.
func (r *run) recordShed() {
	var recs []*bulkheadv1.Record
	for _, s := range r.shedding.take() {
		r.log.Warn("connections were shed", "connections", s.GetCount(), "reason", s.GetReason())
		recs = append(recs, &bulkheadv1.Record{Entry: &bulkheadv1.Record_ConnectionsShed{ConnectionsShed: s}})
	}
	if len(recs) > 0 {
		r.record(recs...) // that it failed ends the run
	}
}

// watchShed journals what is shed until ctx is done.
func (r *run) watchShed(ctx context.Context) {
	tick := time.NewTicker(shedEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.recordShed()
		case <-ctx.Done():
			return
		}
	}
}

// refuse sheds a connection whose socket is still the supervisor's, and takes it
// over.
func (r *run) refuse(conn *net.TCPConn, no *refusal) {
	r.shed(r.log.With("peer", conn.RemoteAddr().String()), no)
	r.farewell.refuse(r.procCtx, conn, no)
}

// shedClient sheds a client that has said Hello, through its handler.
func (r *run) shedClient(l *link, no *answer) {
	l.refused, l.shed = true, true // not rejected: it may come again and get in
	why := &refusal{no.text, no.retryAfter}
	r.shed(l.log, why)
	l.finish(answer{code: codes.Unavailable, reason: no.reason, text: why.String(), retryAfter: no.retryAfter})
}
