package recovery

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/encoded"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/conduct"
	"bulkhead/supervisor/raw"
	"bulkhead/supervisor/watch"
)

// Past is what a run's journal says of the state that its supervisor was in:
// all that another supervisor needs in order to continue. It is a fold over the
// records, and pure. What is added to it belongs into its checkpoint too: see form.go.
type Past struct {
	RunID   string
	Started int64 // wall clock in ns; 0 if RunStarted was not seen
	Ended   bool  // RunEnded was reached
	Clock   watch.PastClock
	Drain   Drain
	// Gather is how the run gathers its clients, nil if it does not, and Gathered what became of that,
	// nil so far.
	Gather   *bulkheadv1.Gather
	Gathered *bulkheadv1.GatherEnded
	// Stages is what was decided last of each stage for which clients wait for each other, by name.
	Stages map[string]*bulkheadv1.StageGathered
	// Rate is the last division of the fleet's rate, nil for none, and Joined are the agents that have joined
	// the run while it went on.
	Rate   *bulkheadv1.RateDivided
	Joined []*bulkheadv1.JobClient
	// FirstCame is when the first client came, in time that a supervisor was there for; 0 for none.
	FirstCame time.Duration
	// WaitClients is how long the run waits for clients, 0 for ever, and WaitEnded says that it waits
	// no longer.
	WaitClients time.Duration
	WaitEnded   bool
	// Assertions are what the run must keep, and Breaches what of it was not.
	Assertions []string
	Breaches   []Breach
	Restarts   int
	Accepted   uint64 // highest connection number
	Refused    uint64
	Shed       uint64
	// Sessions are by number. Two that began at the same time may be recorded in either
	// order, or only the later one.
	Sessions map[uint32]*Session
	// Open are the handlers of which no end is recorded, by connection.
	Open map[uint64]Handler
	seed uint64 // of all sessions' digests
}

// Drain is a drain of all clients, or of one.
type Drain struct {
	Reason string // why it was asked for; "" if it was not
	// Within is how long clients were given to end their load, 0 if it is not told, and Began
	// when, in time that a supervisor was there for.
	Within, Began time.Duration
}

// Breach is a threshold that was not kept while the run went on.
type Breach struct {
	Assertion, Value string
	Aborts           bool // the run is drained for it
}

// Handler is a handler that was given a connection and has no recorded end.
type Handler struct {
	Session uint32
	Pid     int32
	Peer    string
}

// Session is one session as its journal left it.
type Session struct {
	Number     uint32
	ID         string
	Hello      *bulkheadv1.Hello       // of the client, as OfClient has it
	State      bulkheadv1.SessionState // new until it was attached
	Cause      string
	Durable    uint64
	Connection uint64 // of the last attachment
	Peer       string // of it
	Attaches   uint32
	Total      raw.Counted
	Writes     raw.Sketch
	Reads      raw.Sketch
	Said       time.Duration // when its newest batch came, on the past clock; 0 for none
	Poison     conduct.Poison
	// Seen is when the client was last known to be connected, or heard, on the past clock;
	// Detached when it lost its connection, and Down what the past clock said then.
	Seen, Detached, Down time.Duration
	// Wrote is when its first chunk came, on the past clock. It was told at Fell that it had been
	// silent for so long, in time that a supervisor was there for; Silent is 0 if that is over.
	Wrote        time.Duration
	Staged       time.Duration // when the newest stage of its load was heard of, on the past clock; 0 for none
	Silent, Fell time.Duration
	Holder       conduct.Holder
	Digests      raw.Digests
	Who          *bulkheadv1.Identity // who the client has proven to be; nil if it has not
	Told         conduct.Contradictions
	Drain        Drain // of its client alone
	// StageReady is when it came to the stage Total.StageReady, in time that a supervisor was there for;
	// 0 for none.
	StageReady time.Duration
}

// New returns the past of which no record is known yet.
func New() *Past { return seeded(rand.Uint64()) }

func seeded(seed uint64) *Past {
	return &Past{Sessions: make(map[uint32]*Session), Open: make(map[uint64]Handler),
		Stages: make(map[string]*bulkheadv1.StageGathered), seed: seed}
}

// shorten returns an encoded record without what Add does not look at: what clients said that they would
// write, which can be nearly all of a Hello. It is a journal.Shortening.
func shorten(record []byte) []byte { return encoded.EmptyConsumers(record, isDelayed) }

// isDelayed reports whether an encoded consumer does not write at once.
func isDelayed(consumer []byte) bool {
	delayed := false
	_ = encoded.Fields(consumer, func(n protowire.Number, _ uint64, _ []byte) error { // an error is for who decodes it
		delayed = delayed || n == encoded.ConsumerStartDelay
		return nil
	})
	return delayed
}

// OfClient returns the part of a Hello that tells its client from others, and when it speaks.
func OfClient(h *bulkheadv1.Hello) *bulkheadv1.Hello {
	w := h.GetWorkload()
	return &bulkheadv1.Hello{
		ClientId: h.GetClientId(), Name: h.GetName(), Host: h.GetHost(), Pid: h.GetPid(), Resent: h.GetResent(),
		ProtocolMinor: h.GetProtocolMinor(),
		Workload: &bulkheadv1.Workload{
			HeartbeatIntervalNano: w.GetHeartbeatIntervalNano(), RuntimeNano: w.GetRuntimeNano(),
			RampNano: w.GetRampNano(), WarmupNano: w.GetWarmupNano(),
			ProgressIntervalNano: w.GetProgressIntervalNano(),
			Consumers:            delays(w.GetConsumers()),
			Stages:               stages(w.GetStages()),
		},
	}
}

// stages returns the names of stages, how long they last, which are not reported, and which wait for other
// clients.
func stages(list []*bulkheadv1.Stage) []*bulkheadv1.Stage {
	var short []*bulkheadv1.Stage
	for _, s := range list[:min(len(list), protocol.MaxStages)] {
		short = append(short, &bulkheadv1.Stage{Name: s.GetName(), DurationNano: s.GetDurationNano(),
			Unreported: s.GetUnreported(), Together: s.GetTogether(),
			TogetherTimeoutNano: s.GetTogetherTimeoutNano()})
	}
	return short
}

// delays returns a consumer with the longest delay of any before its first write; nil if none has one.
func delays(consumers []*bulkheadv1.ConsumerSpec) []*bulkheadv1.ConsumerSpec {
	longest := int64(0)
	for _, c := range consumers {
		longest = max(longest, c.GetStartDelayNano())
	}
	if longest == 0 {
		return nil
	}
	return []*bulkheadv1.ConsumerSpec{{StartDelayNano: longest}}
}

// The states of a session, of those that status shows, that a journal can tell.
const (
	fresh       = bulkheadv1.SessionState_SESSION_STATE_NEW
	active      = bulkheadv1.SessionState_SESSION_STATE_ACTIVE
	away        = bulkheadv1.SessionState_SESSION_STATE_AWAY
	closed      = bulkheadv1.SessionState_SESSION_STATE_CLOSED
	lost        = bulkheadv1.SessionState_SESSION_STATE_LOST
	rejected    = bulkheadv1.SessionState_SESSION_STATE_REJECTED
	quarantined = bulkheadv1.SessionState_SESSION_STATE_QUARANTINED
)

// stateOf returns the state of a session with an outcome; lost for one that is not known.
func stateOf(o bulkheadv1.Outcome) bulkheadv1.SessionState {
	switch o {
	case bulkheadv1.Outcome_OUTCOME_CLOSED:
		return closed
	case bulkheadv1.Outcome_OUTCOME_REJECTED:
		return rejected
	case bulkheadv1.Outcome_OUTCOME_QUARANTINED:
		return quarantined
	default:
		return lost
	}
}

// Add folds the next record in.
func (r *Past) Add(rec *bulkheadv1.Record) error {
	r.Clock.See(rec)
	switch e := rec.GetEntry().(type) {
	case *bulkheadv1.Record_RunStarted:
		r.RunID, r.Started = e.RunStarted.GetRunId(), rec.GetTimeUnixNano()
		r.Gather, r.WaitClients = e.RunStarted.GetGather(), time.Duration(e.RunStarted.GetWaitClientsNano())
		r.Assertions = e.RunStarted.GetAssertions()
	case *bulkheadv1.Record_AssertionBreached:
		b := e.AssertionBreached
		r.Breaches = append(r.Breaches, Breach{b.GetAssertion(), b.GetValue(), b.GetAborts()})
	case *bulkheadv1.Record_GatherEnded:
		r.Gathered = e.GatherEnded
	case *bulkheadv1.Record_StageGathered:
		r.Stages[e.StageGathered.GetStage()] = e.StageGathered
	case *bulkheadv1.Record_RateDivided:
		r.Rate = e.RateDivided
	case *bulkheadv1.Record_JobJoined:
		r.Joined = append(r.Joined, e.JobJoined.GetClient())
	case *bulkheadv1.Record_WaitEnded:
		r.WaitEnded = true
	case *bulkheadv1.Record_SessionOpened:
		o := e.SessionOpened
		if o.GetSession() == 0 || r.Sessions[o.GetSession()] != nil {
			return fmt.Errorf("session %d is opened again", o.GetSession())
		}
		if r.FirstCame == 0 {
			r.FirstCame = max(r.Clock.Passed-r.Clock.Down, 1)
		}
		r.Sessions[o.GetSession()] = &Session{Number: o.GetSession(), ID: o.GetSessionId(), State: fresh,
			Hello: OfClient(o.GetHello()), Who: o.GetIdentity(), Seen: r.Clock.Passed,
			Digests: raw.Digests{Seed: r.seed}}
	case *bulkheadv1.Record_RunEnded:
		r.Ended = true
	case *bulkheadv1.Record_SupervisorRestarted:
		r.Restarts++
	case *bulkheadv1.Record_DrainStarted:
		r.Drain = r.drain(e.DrainStarted.GetReason(), e.DrainStarted.GetWithinNano())
	case *bulkheadv1.Record_SessionDrained:
		return r.with(e.SessionDrained.GetSession(), func(s *Session) {
			s.Drain = r.drain(e.SessionDrained.GetReason(), e.SessionDrained.GetWithinNano())
		})
	case *bulkheadv1.Record_Contradiction:
		return r.with(e.Contradiction.GetSession(), func(s *Session) { s.Told.Count(e.Contradiction.GetKind()) })
	case *bulkheadv1.Record_ConnectionRejected:
		r.Refused++
		r.Accepted = max(r.Accepted, e.ConnectionRejected.GetConnectionId())
	case *bulkheadv1.Record_ConnectionsShed:
		r.Shed += e.ConnectionsShed.GetCount()
	case *bulkheadv1.Record_HandlerExited:
		return r.exited(e.HandlerExited)
	case *bulkheadv1.Record_SessionAttached:
		return r.attached(e.SessionAttached)
	case *bulkheadv1.Record_SessionDetached:
		return r.with(e.SessionDetached.GetSession(), func(s *Session) {
			s.State, s.Cause = away, e.SessionDetached.GetCause()
			s.Detached, s.Down = r.Clock.Passed, r.Clock.Down
			s.Seen = r.Clock.Passed - time.Duration(max(e.SessionDetached.GetSilentNano(), 0))
		})
	case *bulkheadv1.Record_SessionSilent:
		return r.with(e.SessionSilent.GetSession(), func(s *Session) {
			s.Silent, s.Fell = 0, r.Clock.Passed-r.Clock.Down
			if e.SessionSilent.GetOngoing() {
				s.Silent = time.Duration(max(e.SessionSilent.GetSilentNano(), 1))
			}
		})
	case *bulkheadv1.Record_SupervisorPaused:
		r.Clock.Down += time.Duration(max(e.SupervisorPaused.GetPausedNano(), 0))
	case *bulkheadv1.Record_JournalUnavailable: // nobody could be told that it is back
		r.Clock.Down += time.Duration(max(e.JournalUnavailable.GetUnavailableNano(), 0))
	case *bulkheadv1.Record_SessionBatch:
		return r.batch(e.SessionBatch)
	case *bulkheadv1.Record_SessionEnded:
		return r.with(e.SessionEnded.GetSession(), func(s *Session) {
			s.State, s.Cause = stateOf(e.SessionEnded.GetOutcome()), e.SessionEnded.GetCause()
			if len(s.Hello.GetWorkload().GetStages()) > 0 { // one that has ended costs next to nothing
				s.Hello = proto.CloneOf(s.Hello) // a clone of the past has the same
				s.Hello.Workload.Stages = nil
			}
		})
	}
	return nil
}

// with calls do with a session that must be known.
func (r *Past) with(number uint32, do func(*Session)) error {
	s := r.Sessions[number]
	if s == nil {
		return fmt.Errorf("session %d was never opened", number)
	}
	do(s)
	return nil
}

func (r *Past) attached(a *bulkheadv1.SessionAttached) error {
	r.Accepted = max(r.Accepted, a.GetConnectionId())
	r.Open[a.GetConnectionId()] = Handler{a.GetSession(), a.GetHandlerPid(), a.GetPeer()}
	return r.with(a.GetSession(), func(s *Session) {
		s.Seen = r.Clock.Passed
		if a.GetIdentity() != nil {
			s.Who = a.GetIdentity()
		}
		if s.State == active && s.Connection == a.GetConnectionId() {
			return // kept through a restart
		}
		s.State, s.Connection, s.Peer = active, a.GetConnectionId(), a.GetPeer()
		s.Attaches++
		s.Holder.Recovered(a)
	})
}

func (r *Past) batch(b *bulkheadv1.SessionBatch) error {
	var wrong error
	err := r.with(b.GetSession(), func(s *Session) {
		if b.GetFirstSeq() != s.Durable+1 || b.GetLastSeq() < b.GetFirstSeq() {
			wrong = fmt.Errorf("session %d continues with messages %d to %d after %d", s.Number, b.GetFirstSeq(),
				b.GetLastSeq(), s.Durable)
			return
		}
		c, err := raw.Scan(b.GetBatch(), b.GetFirstSeq(), b.GetLastSeq())
		if err != nil {
			wrong = fmt.Errorf("session %d, messages %d to %d: %w", s.Number, b.GetFirstSeq(), b.GetLastSeq(), err)
			return
		}
		s.Durable, s.Said, s.Seen = b.GetLastSeq(), r.Clock.Passed, r.Clock.Passed
		s.Holder.Heard()
		s.Digests.Add(b.GetBatch(), b.GetFirstSeq(), b.GetLastSeq())
		if c.Chunks > 0 && s.Wrote == 0 {
			s.Wrote = max(r.Clock.Passed, 1)
		}
		if c.Stage > s.Total.Stage {
			s.Staged = max(r.Clock.Passed, 1)
		}
		if c.StageReady > s.Total.StageReady {
			s.StageReady = max(r.Clock.Passed-r.Clock.Down, 1)
		}
		s.Total.Add(c)
		if c.Timed {
			raw.ChunkWrites(b.GetBatch(), s.Writes.Merge)
		}
		if c.ReadsTimed {
			raw.Reads(b.GetBatch(), s.Reads.Merge)
		}
	})
	return cmp.Or(err, wrong)
}

func (r *Past) exited(x *bulkheadv1.HandlerExited) error {
	r.Accepted = max(r.Accepted, x.GetConnectionId())
	delete(r.Open, x.GetConnectionId())
	if x.GetSession() == 0 {
		return nil
	}
	return r.with(x.GetSession(), func(s *Session) {
		if x.GetConnectionId() == s.Connection && conduct.Suspicious(x) {
			s.Poison.Killed(s.Durable)
		}
	})
}

// InOrder returns the sessions in order of their numbers.
func (r *Past) InOrder() []*Session {
	return slices.SortedFunc(maps.Values(r.Sessions),
		func(a, b *Session) int { return cmp.Compare(a.Number, b.Number) })
}

// Adrift returns the sessions that were active, by connection.
func (r *Past) Adrift() map[uint64]*Session {
	out := make(map[uint64]*Session)
	for _, s := range r.Sessions {
		if s.State == active {
			out[s.Connection] = s
		}
	}
	return out
}

// ByConnection returns the sessions by their last connection.
func (r *Past) ByConnection() map[uint64]*Session {
	out := make(map[uint64]*Session)
	for _, s := range r.Sessions {
		if s.Connection != 0 {
			out[s.Connection] = s
		}
	}
	return out
}

// Orphans returns the open handlers but those of the connections in kept, in order.
func (r *Past) Orphans(kept map[uint64]bool) []uint64 {
	var out []uint64
	for connection := range r.Open {
		if !kept[connection] {
			out = append(out, connection)
		}
	}
	slices.Sort(out)
	return out
}

// Keep lets go of the sessions that keep does not want, and of the handlers of these; of those that had no
// session, it keeps what mine says of the connection.
func (r *Past) Keep(keep func(*Session) bool, mine func(connection uint64) bool) {
	maps.DeleteFunc(r.Sessions, func(_ uint32, s *Session) bool { return !keep(s) })
	maps.DeleteFunc(r.Open, func(connection uint64, h Handler) bool {
		return h.Session > 0 && r.Sessions[h.Session] == nil || h.Session == 0 && !mine(connection)
	})
}

// drain returns a drain that begins with the newest record.
func (r *Past) drain(reason string, within int64) Drain {
	return Drain{Reason: cmp.Or(reason, "a drain was asked for"), Within: time.Duration(within),
		Began: r.Clock.Passed - r.Clock.Down}
}

// DrainLeft returns how much is left of the time that clients were given to end their load,
// where they are given within now and so much has passed since the newest record with a
// supervisor there. Time without one does not count: nobody could deliver anything.
func (r *Past) DrainLeft(d Drain, within, since time.Duration) time.Duration {
	return cmp.Or(d.Within, within) - (r.Clock.Passed - r.Clock.Down - d.Began) - since
}
