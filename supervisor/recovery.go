package supervisor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/watch"
)

// recovery is what a run's journal says of the state that its supervisor was in:
// all that another supervisor needs in order to go on. It is a fold over the
// records, and pure.
type recovery struct {
	runID   string
	started time.Time
	ended   bool // RunEnded was reached
	clock   watch.PastClock
	drained string // why a drain was asked for; "" if none was
	// drainWithin is how long clients were given to end their load, 0 if it is not told, and
	// drainBegan when, in time that a supervisor was there for.
	drainWithin, drainBegan time.Duration
	restarts                int
	accepted                uint64 // highest connection number
	refused                 uint64
	shed                    uint64
	// sessions are by number. Two that began at the same time may be recorded in either
	// order, or only the later one.
	sessions map[uint32]*recovered
	// open are the handlers of which no end is recorded, by connection.
	open map[uint64]openHandler
}

// openHandler is a handler that was given a connection and has no recorded end.
type openHandler struct {
	session uint32
	pid     int32
	peer    string
}

// recovered is one session as its journal left it.
type recovered struct {
	number     uint32
	id         string
	hello      *bulkheadv1.Hello
	phase      phase // fresh until it was attached
	cause      string
	durable    uint64
	connection uint64 // of the last attachment
	peer       string // of it
	attaches   uint32
	total      raw.Counted
	writes     raw.Sketch
	said       time.Duration // when its newest batch came, on the past clock; 0 for none
	poison     poison
	// seen is when the client was last known to be connected, or heard, on the past clock;
	// detached when it lost its connection, and down what the past clock said then.
	seen, detached, down time.Duration
	// wrote is when its first chunk came, on the past clock. It was told at fell that it had been silent for so long, in time that a
	// supervisor was there for; silent is 0 if that is over.
	wrote        time.Duration
	silent, fell time.Duration
	holder       holder
	digests      raw.Digests
	told         contradictions
}

func newRecovery() *recovery {
	return &recovery{sessions: make(map[uint32]*recovered), open: make(map[uint64]openHandler)}
}

// add folds the next record in.
func (r *recovery) add(rec *bulkheadv1.Record) error {
	at := time.Unix(0, rec.GetTimeUnixNano())
	r.clock.See(rec)
	switch e := rec.GetEntry().(type) {
	case *bulkheadv1.Record_RunStarted:
		r.runID, r.started = e.RunStarted.GetRunId(), at
	case *bulkheadv1.Record_SessionOpened:
		o := e.SessionOpened
		if o.GetSession() == 0 || r.sessions[o.GetSession()] != nil {
			return fmt.Errorf("session %d is opened again", o.GetSession())
		}
		r.sessions[o.GetSession()] = &recovered{number: o.GetSession(), id: o.GetSessionId(), hello: ofClient(o.GetHello()), seen: r.clock.Passed}
	case *bulkheadv1.Record_RunEnded:
		r.ended = true
	case *bulkheadv1.Record_SupervisorRestarted:
		r.restarts++
	case *bulkheadv1.Record_DrainStarted:
		r.drained = cmp.Or(e.DrainStarted.GetReason(), "a drain was asked for")
		r.drainWithin, r.drainBegan = time.Duration(e.DrainStarted.GetWithinNano()), r.clock.Passed-r.clock.Down
	case *bulkheadv1.Record_Contradiction:
		return r.with(e.Contradiction.GetSession(), func(s *recovered) { s.told.count(e.Contradiction.GetKind()) })
	case *bulkheadv1.Record_ConnectionRejected:
		r.refused++
		r.accepted = max(r.accepted, e.ConnectionRejected.GetConnectionId())
	case *bulkheadv1.Record_ConnectionsShed:
		r.shed += e.ConnectionsShed.GetCount()
	case *bulkheadv1.Record_HandlerExited:
		return r.exited(e.HandlerExited)
	case *bulkheadv1.Record_SessionAttached:
		return r.attached(e.SessionAttached)
	case *bulkheadv1.Record_SessionDetached:
		return r.with(e.SessionDetached.GetSession(), func(s *recovered) {
			s.phase, s.cause = away, e.SessionDetached.GetCause()
			s.detached, s.down = r.clock.Passed, r.clock.Down
			s.seen = r.clock.Passed - time.Duration(max(e.SessionDetached.GetSilentNano(), 0))
		})
	case *bulkheadv1.Record_SessionSilent:
		return r.with(e.SessionSilent.GetSession(), func(s *recovered) {
			s.silent, s.fell = 0, r.clock.Passed-r.clock.Down
			if e.SessionSilent.GetOngoing() {
				s.silent = time.Duration(max(e.SessionSilent.GetSilentNano(), 1))
			}
		})
	case *bulkheadv1.Record_SupervisorPaused:
		r.clock.Down += time.Duration(max(e.SupervisorPaused.GetPausedNano(), 0))
	case *bulkheadv1.Record_SessionBatch:
		return r.batch(e.SessionBatch)
	case *bulkheadv1.Record_SessionEnded:
		return r.with(e.SessionEnded.GetSession(), func(s *recovered) {
			s.phase, s.cause = phaseOf(e.SessionEnded.GetOutcome()), e.SessionEnded.GetCause()
		})
	}
	return nil
}

// with calls do with a session that must be known.
func (r *recovery) with(number uint32, do func(*recovered)) error {
	s := r.sessions[number]
	if s == nil {
		return fmt.Errorf("session %d was never opened", number)
	}
	do(s)
	return nil
}

func (r *recovery) attached(a *bulkheadv1.SessionAttached) error {
	r.accepted = max(r.accepted, a.GetConnectionId())
	r.open[a.GetConnectionId()] = openHandler{a.GetSession(), a.GetHandlerPid(), a.GetPeer()}
	return r.with(a.GetSession(), func(s *recovered) {
		s.seen = r.clock.Passed
		if s.phase == active && s.connection == a.GetConnectionId() {
			return // kept through a restart
		}
		s.phase, s.connection, s.peer = active, a.GetConnectionId(), a.GetPeer()
		s.attaches++
		s.holder.recovered(a)
	})
}

func (r *recovery) batch(b *bulkheadv1.SessionBatch) error {
	var wrong error
	err := r.with(b.GetSession(), func(s *recovered) {
		if b.GetFirstSeq() != s.durable+1 || b.GetLastSeq() < b.GetFirstSeq() {
			wrong = fmt.Errorf("session %d goes on with messages %d to %d after %d", s.number, b.GetFirstSeq(), b.GetLastSeq(), s.durable)
			return
		}
		c, err := raw.Scan(b.GetBatch(), b.GetFirstSeq(), b.GetLastSeq())
		if err != nil {
			wrong = fmt.Errorf("session %d, messages %d to %d: %w", s.number, b.GetFirstSeq(), b.GetLastSeq(), err)
			return
		}
		s.durable, s.said, s.seen = b.GetLastSeq(), r.clock.Passed, r.clock.Passed
		s.holder.heard()
		s.digests.Add(b.GetBatch(), b.GetFirstSeq(), b.GetLastSeq())
		if c.Chunks > 0 && s.wrote == 0 {
			s.wrote = max(r.clock.Passed, 1)
		}
		s.total.Add(c)
		if c.Timed {
			raw.ChunkWrites(b.GetBatch(), s.writes.Merge)
		}
	})
	return cmp.Or(err, wrong)
}

func (r *recovery) exited(x *bulkheadv1.HandlerExited) error {
	r.accepted = max(r.accepted, x.GetConnectionId())
	delete(r.open, x.GetConnectionId())
	if x.GetSession() == 0 {
		return nil
	}
	return r.with(x.GetSession(), func(s *recovered) {
		if x.GetConnectionId() == s.connection && suspicious(x) {
			s.poison.killed(s.durable)
		}
	})
}

// inOrder are the sessions in order of their numbers.
func (r *recovery) inOrder() []*recovered {
	return slices.SortedFunc(maps.Values(r.sessions), func(a, b *recovered) int { return cmp.Compare(a.number, b.number) })
}

// adrift are the sessions that were active, by connection.
func (r *recovery) adrift() map[uint64]*recovered {
	out := make(map[uint64]*recovered)
	for _, s := range r.sessions {
		if s.phase == active {
			out[s.connection] = s
		}
	}
	return out
}

// byConnection are the sessions by their last connection.
func (r *recovery) byConnection() map[uint64]*recovered {
	out := make(map[uint64]*recovered)
	for _, s := range r.sessions {
		if s.connection != 0 {
			out[s.connection] = s
		}
	}
	return out
}

// orphans are the open handlers but those of the connections in kept, in order.
func (r *recovery) orphans(kept map[uint64]bool) []uint64 {
	var out []uint64
	for connection := range r.open {
		if !kept[connection] {
			out = append(out, connection)
		}
	}
	slices.Sort(out)
	return out
}

// drainLeft is how much is left of the time that clients were given to end their load,
// where they are given within now and so much has passed since the newest record with a
// supervisor there. Time without one does not count: nobody could deliver anything.
func (r *recovery) drainLeft(within, since time.Duration) time.Duration {
	return cmp.Or(r.drainWithin, within) - (r.clock.Passed - r.clock.Down - r.drainBegan) - since
}
