package supervisor

import (
	"context"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc/codes"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/door"
)

// shedEvery is how often the connections shed since the last time are journalled
// and logged: a flood must not become a flood of records.
const shedEvery = 5 * time.Second

// shed counts a connection that is refused.
func (r *run) shed(log *slog.Logger, no *door.Refusal) {
	if r.shedding.Add(time.Now(), no.Why) {
		log.Warn("connections are shed", "reason", no.Why, "retry_after", no.RetryAfter)
	}
}

// recordShed journals and logs what was shed since it was last called.
func (r *run) recordShed() {
	var recs []*bulkheadv1.Record
	for _, s := range r.shedding.Take() {
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

// shedConnection sheds a connection whose socket is still the supervisor's, and takes it
// over.
func (r *run) shedConnection(conn *net.TCPConn, no *door.Refusal) {
	r.shed(r.log.With("peer", conn.RemoteAddr().String()), no)
	r.farewell.Refuse(r.procCtx, conn, no)
}

// shedClient sheds a client that has said Hello, through its handler.
func (r *run) shedClient(l *link, no *answer) {
	l.refused, l.shed = true, true // not rejected: it may come again and get in
	why := &door.Refusal{Why: no.text, RetryAfter: no.retryAfter}
	r.shed(l.log, why)
	l.finish(answer{code: codes.Unavailable, reason: no.reason, text: why.String(), retryAfter: no.retryAfter})
}
