package journal

import (
	"fmt"
	"maps"
	"slices"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// audit follows the records of one journal and reports those that are out of order. It
// does no I/O. After a violation it continues as if the record had been meant like that,
// so that one mistake is reported once.
type audit struct {
	report      *Report
	at          Position
	records     uint64
	ended       bool   // RunEnded was seen
	restarts    uint64 // SupervisorRestarted records seen
	sessions    map[uint32]*sessionAudit
	clients     map[string]uint32 // client id → session
	connections map[uint64]uint32 // connection id → session
}

// sessionAudit is what is known of one session.
type sessionAudit struct {
	lastSeq uint64
	ended   bool
	// connection is the id of the connection it has, 0 for none, and attachedIn how many
	// restarts there had been when it was last attached.
	connection uint64
	attachedIn uint64
}

func newAudit(r *Report) *audit {
	return &audit{report: r, sessions: map[uint32]*sessionAudit{}, clients: map[string]uint32{},
		connections: map[uint64]uint32{}}
}

// violation reports the record being looked at.
func (a *audit) violation(format string, args ...any) {
	a.report.add(a.at, fmt.Sprintf(format, args...))
}

// add looks at the next record.
func (a *audit) add(rec *bulkheadv1.Record, at Position) {
	a.at = at
	a.records++
	kind := entryName(rec)
	_, isStart := rec.GetEntry().(*bulkheadv1.Record_RunStarted)
	switch {
	case isStart && a.records > 1:
		a.violation("RunStarted is not the first record")
	case !isStart && a.records == 1:
		a.violation("first record is %s, not RunStarted", kind)
	}
	if a.ended {
		a.violation("%s after RunEnded", kind)
	}
	switch e := rec.GetEntry().(type) {
	case nil:
		a.violation("record has no entry")
	case *bulkheadv1.Record_JobStarted:
		if a.records != 2 {
			a.violation("JobStarted is not the second record")
		}
	case *bulkheadv1.Record_SessionOpened:
		a.opened(e.SessionOpened)
	case *bulkheadv1.Record_SessionAttached:
		a.attached(e.SessionAttached)
	case *bulkheadv1.Record_SessionBatch:
		a.batch(e.SessionBatch)
	case *bulkheadv1.Record_SessionDetached:
		a.detached(e.SessionDetached)
	case *bulkheadv1.Record_SessionEnded:
		a.sessionEnded(e.SessionEnded)
	case *bulkheadv1.Record_HandlerExited:
		a.handlerExited(e.HandlerExited)
	case *bulkheadv1.Record_Contradiction:
		if n := e.Contradiction.GetSession(); a.sessions[n] == nil {
			a.session(n, "Contradiction")
		}
	case *bulkheadv1.Record_SessionDrained:
		a.session(e.SessionDrained.GetSession(), "SessionDrained")
	case *bulkheadv1.Record_SessionSilent:
		a.session(e.SessionSilent.GetSession(), "SessionSilent")
	case *bulkheadv1.Record_SupervisorRestarted:
		a.restarts++
	case *bulkheadv1.Record_RunEnded:
		a.runEnded(e.RunEnded)
	}
}

// session returns the session that a record of kind is about, and reports the record
// when the session is not open.
func (a *audit) session(number uint32, kind string) *sessionAudit {
	s := a.sessions[number]
	switch {
	case s == nil:
		a.violation("session %d: %s before SessionOpened", number, kind)
		s = &sessionAudit{}
		a.sessions[number] = s
	case s.ended:
		a.violation("session %d: %s after its end", number, kind)
	}
	return s
}

// live reports whether a session is open and has not ended.
func (a *audit) live(number uint32) bool {
	s := a.sessions[number]
	return s != nil && !s.ended
}

func (a *audit) opened(e *bulkheadv1.SessionOpened) {
	number, client := e.GetSession(), string(e.GetHello().GetClientId())
	if number == 0 {
		a.violation("session 0 is opened; sessions count from 1")
	}
	if a.sessions[number] != nil {
		a.violation("session %d: opened again", number)
		return
	}
	a.sessions[number] = &sessionAudit{}
	if client == "" {
		return
	}
	if other, ok := a.clients[client]; ok {
		a.violation("session %d: its client %x already has session %d", number, client, other)
		return
	}
	a.clients[client] = number
}

func (a *audit) attached(e *bulkheadv1.SessionAttached) {
	live := a.live(e.GetSession())
	s := a.session(e.GetSession(), "SessionAttached")
	if e.GetResumeAfter() > s.lastSeq {
		a.violation("session %d: client was told to resume after %d, but only %d is durable",
			e.GetSession(), e.GetResumeAfter(), s.lastSeq)
	}
	if live {
		a.connected(s, e.GetSession(), e.GetConnectionId())
	}
	s.connection, s.attachedIn = e.GetConnectionId(), a.restarts
}

// connected checks that a session may have connection id now: a new one, when it has no
// other, or, after a restart of the supervisor, the one it has.
func (a *audit) connected(s *sessionAudit, session uint32, id uint64) {
	if id == 0 {
		a.violation("session %d: attached to connection 0; connections count from 1", session)
		return
	}
	owner, known := a.connections[id]
	a.connections[id] = session
	switch {
	case known && owner != session:
		a.violation("session %d: attached to connection %d, which is of session %d", session, id, owner)
	case id == s.connection && s.attachedIn == a.restarts:
		a.violation("session %d: attached to connection %d twice, with no restart between", session, id)
	case id == s.connection:
		// It continues after a restart.
	case known:
		a.violation("session %d: attached to connection %d again, which it had lost", session, id)
	case s.connection != 0:
		a.violation("session %d: attached to connection %d while it has connection %d", session, id, s.connection)
	}
}

func (a *audit) detached(e *bulkheadv1.SessionDetached) {
	live := a.live(e.GetSession())
	s := a.session(e.GetSession(), "SessionDetached")
	if id := e.GetConnectionId(); live && id != s.connection {
		a.violation("session %d: detached from connection %d, which it has not", e.GetSession(), id)
	}
	s.connection = 0
}

func (a *audit) batch(e *bulkheadv1.SessionBatch) {
	s := a.session(e.GetSession(), "SessionBatch")
	first, last := e.GetFirstSeq(), e.GetLastSeq()
	switch {
	case first == 0 || last < first:
		a.violation("session %d: batch %d…%d is no range of messages", e.GetSession(), first, last)
		return
	case first <= s.lastSeq:
		a.violation("session %d: batch %d…%d overlaps what is there up to %d", e.GetSession(), first, last, s.lastSeq)
	case first-s.lastSeq > 1:
		a.violation("session %d: batch %d…%d leaves a gap after %d", e.GetSession(), first, last, s.lastSeq)
	}
	if err := checkBatch(e.GetBatch(), first, last); err != nil {
		a.violation("session %d: batch %d…%d: %v", e.GetSession(), first, last, err)
	}
	s.lastSeq = max(s.lastSeq, last)
	a.report.Messages += last - first + 1
}

func (a *audit) sessionEnded(e *bulkheadv1.SessionEnded) {
	s := a.session(e.GetSession(), "SessionEnded")
	if e.GetOutcome() == bulkheadv1.Outcome_OUTCOME_UNSPECIFIED {
		a.violation("session %d: ended without an outcome", e.GetSession())
	}
	if e.GetLastSeq() != s.lastSeq {
		a.violation("session %d: ended at %d, but the last message is %d", e.GetSession(), e.GetLastSeq(), s.lastSeq)
	}
	s.ended = true
}

// handlerExited checks the end of a handler. A handler usually outlives its session by
// a moment, so this is the one record that may follow SessionEnded.
func (a *audit) handlerExited(e *bulkheadv1.HandlerExited) {
	if n := e.GetSession(); n != 0 && a.sessions[n] == nil {
		a.session(n, "HandlerExited")
	}
}

func (a *audit) runEnded(e *bulkheadv1.RunEnded) {
	a.ended = true
	if e.GetReason() == bulkheadv1.RunEnd_RUN_END_FAILED {
		return
	}
	for _, number := range slices.Sorted(maps.Keys(a.sessions)) {
		if !a.sessions[number].ended {
			a.violation("session %d: not ended at the end of the run", number)
		}
	}
}

// entryName returns the name of the entry's message, such as SessionBatch.
func entryName(rec *bulkheadv1.Record) string {
	m := rec.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("entry"))
	if field == nil {
		return "a record without an entry"
	}
	return string(field.Message().Name())
}
