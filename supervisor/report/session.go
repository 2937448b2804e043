package report

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// sessionState is what the fold keeps of one session.
type sessionState struct {
	client   Client // what needs no computing at the end
	clientID string // raw, as sent

	handler     *Handler // that serves the session, or did last; nil before the first
	connections recent[link]
	said        contradictions
	malformed   tally[string] // distinct texts are the constants of this package
	shortened   tally[string] // names of fields

	processes map[processKey][]*processState // in order of their pids' arrival
	count     int                            // of all processes
	rollovers recent[listedRollover]
	round     uint64 // of the newest heartbeat

	latencies   [phases]distribution
	corruptions earliest[foundCorruption]
	window      window // of all consumers
	line        *clientLine
	clock       clientClock
	recorded    Stamp // time of the record being folded, supervisor's clock
	gaps        earliest[MessageGap]
	silentNow   bool // the newest of gaps, or one that is left out, is not over
	room        room // for the histograms of the processes
}

// processKey is what names a process beside its pid.
type processKey struct {
	kind  bulkheadv1.ProcessKind
	index uint32
}

// listedRollover is a rollover and whose it is.
type listedRollover struct {
	process  *processState
	rollover Rollover
}

func newSessionState(e *bulkheadv1.SessionOpened, at Stamp, shared *rooms) *sessionState {
	hello := e.GetHello()
	s := &sessionState{
		clientID:    string(hello.GetClientId()),
		connections: recent[link]{limit: maxConnections},
		malformed:   tally[string]{limit: maxMissReasons},
		shortened:   tally[string]{limit: maxShortened},
		processes:   make(map[processKey][]*processState),
		rollovers:   recent[listedRollover]{limit: maxRollovers},
		corruptions: earliest[foundCorruption]{limit: maxCorruptions},
		gaps:        earliest[MessageGap]{limit: maxMessageGaps},
		room:        room{rooms: shared},
	}
	s.client = Client{
		Session:   e.GetSession(),
		SessionID: clean(e.GetSessionId(), maxName),
		Name:      clean(hello.GetName(), maxName),
		ClientID:  clean(hex.EncodeToString(hello.GetClientId()), maxName),
		Host:      clean(hello.GetHost(), 2*maxName),
		Pid:       hello.GetPid(),
		Version:   clean(hello.GetClientVersion(), maxName),
		Labels:    labelsOf(hello.GetLabels()),
		Workload:  workloadOf(hello.GetWorkload()),
		Outcome:   OutcomeOpen,
		OpenedAt:  at,
		Resent:    hello.GetResent(),
		Begun:     begunOf(hello.GetContinues()),
	}
	s.shorter("hello.", hello.GetShortened())
	s.clock.greet(hello, at)
	if clock := cmp.Or(s.clock.shown, stampOrNone(hello.GetWallClockUnixNano())); clock != 0 && at != 0 {
		s.client.ClockOffsetNano, s.clock.compared = int64(clock-at), true
	}
	return s
}

func labelsOf(labels map[string]string) map[string]string {
	kept := make(map[string]string)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if len(kept) == maxLabels {
			break
		}
		kept[clean(key, maxName)] = clean(labels[key], maxName)
	}
	return kept
}

// keeps says whether connection id, which the session is said to be attached to, is
// the one it has already and goes on with after a restart of the supervisor, of which
// there were restarted so far.
func (s *sessionState) keeps(id, restarted uint64, at Stamp) (bool, error) {
	c := s.connections.find(func(c *link) bool { return c.ID == id })
	if c == nil || id == 0 {
		return false, nil
	}
	newest := s.connections.find(func(*link) bool { return true })
	switch {
	case c.DetachedAt != 0 || c != newest:
		return false, fmt.Errorf("session %d is attached again to connection %d, which it had lost", s.client.Session, id)
	case c.epoch == restarted:
		return false, fmt.Errorf("session %d is attached to connection %d again, with no restart between", s.client.Session, id)
	}
	c.epoch, c.LastKeptAt = restarted, at
	c.KeptThroughRestarts++
	s.client.KeptThroughRestarts++
	return true, nil
}

func (s *sessionState) foldAttached(e *bulkheadv1.SessionAttached, restarted uint64, at Stamp) {
	resumed := len(s.connections.items) > 0
	if resumed {
		s.client.Resumes++
		s.clock.look(Stamp(e.GetClientWallClockUnixNano()), e.GetClientElapsedNano())
	}
	s.connections.add(link{
		Connection: Connection{
			ID:          e.GetConnectionId(),
			HandlerPid:  e.GetHandlerPid(),
			Peer:        clean(e.GetPeer(), maxName),
			AttachedAt:  at,
			ResumeAfter: e.GetResumeAfter(),
			Resumed:     resumed,
			Absence:     absenceOf(e.GetAbsence()),
			StarvedNano: durationOrNone(e.GetStarvedNano()),
			LastEnd:     clean(e.GetLastEnd(), maxText),
		},
		said:  e.GetAbsence(),
		epoch: restarted,
	})
}

func (s *sessionState) foldDetached(e *bulkheadv1.SessionDetached, at Stamp) error {
	c := s.connections.find(func(c *link) bool {
		return c.ID == e.GetConnectionId() && c.DetachedAt == 0
	})
	if c == nil {
		return fmt.Errorf("session %d is detached from connection %d, which it has not", s.client.Session, e.GetConnectionId())
	}
	c.DetachedAt, c.DetachCause = at, cleanLines(e.GetCause())
	if silent := durationOrNone(e.GetSilentNano()); silent > 0 {
		c.LastHeardAt = max(at-Stamp(silent), c.AttachedAt)
	}
	c.class, c.DetachClass = e.GetClass(), detachClass(e.GetClass())
	return nil
}

// foldHandlerEnd notes how the handler of a connection ended, which may be before or
// after the session lost the connection.
func (s *sessionState) foldHandlerEnd(connection uint64, class string) {
	if c := s.connections.find(func(c *link) bool { return c.ID == connection }); c != nil {
		c.end = class
	}
}

func (s *sessionState) foldEnded(e *bulkheadv1.SessionEnded, at Stamp) error {
	c := &s.client
	c.EndedAt, c.Cause = at, cleanLines(e.GetCause())
	c.QuarantineFile, c.KilledHandlers = clean(e.GetQuarantineFile(), maxText), e.GetKilledHandlers()
	switch e.GetOutcome() {
	case bulkheadv1.Outcome_OUTCOME_CLOSED:
		c.Outcome = OutcomeClosed
	case bulkheadv1.Outcome_OUTCOME_LOST:
		c.Outcome = OutcomeLost
	case bulkheadv1.Outcome_OUTCOME_REJECTED:
		c.Outcome = OutcomeRejected
	case bulkheadv1.Outcome_OUTCOME_QUARANTINED:
		c.Outcome = OutcomeQuarantined
	default:
		return fmt.Errorf("session %d ends without an outcome", c.Session)
	}
	if e.GetLastSeq() != c.LastSeq {
		return fmt.Errorf("session %d ends at message %d, but the journal holds %d", c.Session, e.GetLastSeq(), c.LastSeq)
	}
	return nil
}
