package joined

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/recovery"
)

// What a supervisor has to do with the others of its run. Nothing here is patient: what is not available now
// is an error that wraps cluster.ErrUnavailable, and is tried again by whoever wants it.

// Look counts, now.
func (r *Run) Look(ctx context.Context) (cluster.Census, error) { return r.inner.Census(ctx) }

// SealNow does what Seal does.
func (r *Run) SealNow(ctx context.Context) error { return r.inner.Seal(ctx) }

// HeadsNow yields what Heads does.
func (r *Run) HeadsNow(ctx context.Context) func(yield func(cluster.Found, error) bool) {
	return r.inner.Heads(ctx)
}

// Enrolled returns the clients that have got a session as far as the last Look knows, but for those that it has
// returned before: seen counts those, and begins empty.
func (r *Run) Enrolled(seen *[]int) []cluster.Enrolled { return r.inner.Enrolled(seen) }

// Opened returns what the session of a client began with; nil if nobody has begun it but for its number.
func (r *Run) Opened(ctx context.Context, client []byte) (*bulkheadv1.SessionOpened, error) {
	return r.inner.Opened(ctx, client)
}

// SessionOf returns what the records of a client's session say that was opened with a head, and of the run its
// beginning; nil if nothing is said of the client. It waits until the engine shows all that is behind the head.
func (r *Run) SessionOf(ctx context.Context, client []byte, h cluster.Head) (*recovery.Past, *recovery.Session, error) {
	var recs []*bulkheadv1.Record
	for {
		var err error
		if recs, err = r.inner.Session(ctx, client, h.Epoch); err == nil {
			break
		}
		if !errors.Is(err, cluster.ErrUnavailable) || !rest(ctx) {
			return nil, nil, err
		}
	}
	past := recovery.New()
	for _, rec := range recs {
		if err := past.Add(rec); err != nil {
			return nil, nil, fmt.Errorf("%w: the session of client %.4x: %w", cluster.ErrFailed, client, err)
		}
	}
	for _, s := range past.Sessions {
		if s.Durable != h.Durable {
			return nil, nil, fmt.Errorf("%w: %d messages of session %d are durable, and its records have %d",
				cluster.ErrFailed, h.Durable, s.Number, s.Durable)
		}
		return past, s, nil
	}
	return past, nil, nil
}

// betweenLooks is the time between two looks for what the engine must have.
const betweenLooks = 100 * time.Millisecond

// rest waits a little, and reports whether ctx is still not done.
func rest(ctx context.Context) bool {
	timer := time.NewTimer(betweenLooks)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Abandoned ends the session of a client that somebody let in and of which nothing was ever said.
func (r *Run) Abandoned(ctx context.Context, found cluster.Found) error { return r.unsaid(ctx, found) }

// Tell tells all supervisors of the run something, this one too.
func (r *Run) Tell(b *bulkheadv1.MemberBeat) error {
	data, err := proto.Marshal(b)
	if err != nil {
		return err
	}
	return r.inner.Tell(data)
}

// Hear calls heard with what they tell, one after the other, until stop is called.
func (r *Run) Hear(heard func(b *bulkheadv1.MemberBeat)) (stop func(), err error) {
	return r.inner.Hear(func(data []byte) {
		b := new(bulkheadv1.MemberBeat)
		if proto.Unmarshal(data, b) == nil && b.GetSupervisor() > 0 {
			heard(b)
		}
	})
}
