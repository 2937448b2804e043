package jetstream

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
)

// A run's course is what happens to it as a whole. Several write to it, each by compare-and-set behind
// the newest message there, whose counts their own continue.

// courseNow returns the newest message of the run's course.
func (r *Run) courseNow(ctx context.Context) (stored, error) {
	return patiently(ctx, r.engine, func(ctx context.Context) (stored, error) {
		return r.engine.last(ctx, r.names.stream(0), r.names.course())
	})
}

// next adds the message to the run's course that add makes, knowing the newest there, and again while
// others add theirs first.
func (r *Run) next(ctx context.Context, add func(newest stored) (message, error)) error {
	for {
		newest, err := r.courseNow(ctx)
		if err != nil {
			return err
		}
		m, err := add(newest)
		if err != nil {
			return err
		}
		_, err = r.engine.putAmong(ctx, m, newest.seq)
		if lost := (*lostRace)(nil); !errors.As(err, &lost) {
			return err
		}
		if ctx.Err() != nil {
			return unavailable(err)
		}
	}
}

// courseMessage returns a message with the counts of the newest one.
func (r *Run) courseMessage(kind string, newest stored) message {
	m := r.message(0, r.names.course(), kind)
	for _, name := range []string{supervisorsHeader, shardsHeader, endedHeader, cutHeader,
		sumHeader} {
		if v := newest.header.Get(name); v != "" {
			m.header.Set(name, v)
		}
	}
	return m
}

// join gives this supervisor its number. The first one begins the run.
func (r *Run) join(ctx context.Context, started *bulkheadv1.Record) error {
	frames, err := encode([]*bulkheadv1.Record{started})
	if err != nil {
		return err
	}
	return r.next(ctx, func(newest stored) (message, error) {
		r.number = uint32(newest.number(supervisorsHeader)) + 1
		if r.number > cluster.MaxSupervisor {
			return message{}, fmt.Errorf("%w: %d supervisors have joined it; there are no more numbers",
				cluster.ErrFailed, r.number-1)
		}
		if n := newest.number(shardsHeader); newest.seq > 0 && n != uint64(r.names.shards) {
			return message{}, fmt.Errorf("its sessions are divided among %d streams, not %d", n, r.names.shards)
		}
		m := r.courseMessage(kindJoined, newest)
		m.header.Set(shardsHeader, decimal(uint32(r.names.shards)))
		m.header.Set(supervisorsHeader, decimal(r.number))
		now := time.Now()
		m.header.Set(elapsedHeader, decimal(uint64(boottime.At(now))))
		m.header.Set(bootHeader, boottime.ID())
		if newest.seq == 0 {
			m.payload = bytes.Clone(frames[0])
		}
		return m, nil
	})
}

// End implements cluster.Run.
func (r *Run) End(ctx context.Context, e *bulkheadv1.RunEnded) error {
	for _, err := range r.Heads(ctx) { // also enters ends that are not in a register yet
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: a session has no outcome", cluster.ErrOpen)
	}
	cut, err := r.cut(ctx)
	if err != nil {
		return err
	}
	frames, err := encode([]*bulkheadv1.Record{{Entry: &bulkheadv1.Record_RunEnded{RunEnded: e}}})
	if err != nil {
		return err
	}
	return r.next(ctx, func(newest stored) (message, error) {
		if newest.header.Get(endedHeader) != "" {
			return message{}, cluster.ErrEnded
		}
		m := r.courseMessage(kindEnded, newest)
		m.header.Set(endedHeader, "1")
		m.header.Set(cutHeader, cut)
		m.payload = frames[0]
		return m, nil
	})
}

// cut returns the last sequence of each shard, now that each is sealed and has no open session: all
// that comes later are facts that say nothing about messages.
func (r *Run) cut(ctx context.Context) (string, error) {
	var parts []string
	for k, reg := range r.registers[1:] {
		s, err := reg.look(ctx)
		switch {
		case err != nil:
			return "", err
		case !s.sealed || s.open > 0:
			return "", fmt.Errorf("%w: shard %d is not sealed, or has %d open sessions", cluster.ErrOpen, k+1, s.open)
		}
		last, err := patiently(ctx, r.engine, func(ctx context.Context) (uint64, error) {
			return r.engine.lastSequence(ctx, r.names.stream(k+1))
		})
		if err != nil {
			return "", err
		}
		// A leader that was cut off may answer for an earlier time; the register is behind every end.
		parts = append(parts, decimal(max(last, s.seq)))
	}
	return strings.Join(parts, " "), nil
}

// Reported notes the sum of the export of a run that has ended, and returns the one that was noted
// first: all who export the run must come to that.
func (r *Run) Reported(ctx context.Context, sum [32]byte) (first [32]byte, err error) {
	err = r.next(ctx, func(newest stored) (message, error) {
		if newest.header.Get(endedHeader) == "" {
			return message{}, cluster.ErrOpen
		}
		m := r.courseMessage(kindReported, newest)
		if m.header.Get(sumHeader) == "" {
			m.header.Set(sumHeader, hex.EncodeToString(sum[:]))
		}
		n, err := hex.Decode(first[:], []byte(m.header.Get(sumHeader)))
		if err != nil || n != len(first) {
			return message{}, fmt.Errorf("the sum in message %d of the run's course is none", newest.seq)
		}
		return m, nil
	})
	return first, err
}

// Close implements cluster.Run. It says that the supervisor leaves, if the engine is there.
func (r *Run) Close() error {
	var err error
	r.close.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), attempt)
		defer cancel()
		err = r.next(ctx, func(newest stored) (message, error) {
			return r.courseMessage(kindLeft, newest), nil
		})
		r.engine.conn.Close()
		if errors.Is(err, cluster.ErrUnavailable) {
			err = nil // it is gone all the same
		}
	})
	return err
}
