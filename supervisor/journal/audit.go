package journal

import (
	"fmt"
	"maps"
	"slices"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// audit follows the records of one journal and reports those that are out of order. It
// does no I/O. After a violation it goes on as if the record had been meant like that,
// so that one mistake is reported once.
type audit struct {
	report   *Report
	at       Position
	records  uint64
	ended    bool // RunEnded was seen
	sessions map[uint32]*sessionAudit
	clients  map[string]uint32 // client id → session
}

// sessionAudit is what is known of one session.
type sessionAudit struct {
	lastSeq uint64
	ended   bool
}

func newAudit(r *Report) *audit {
	return &audit{report: r, sessions: map[uint32]*sessionAudit{}, clients: map[string]uint32{}}
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
	case *bulkheadv1.Record_SessionOpened:
		a.opened(e.SessionOpened)
	case *bulkheadv1.Record_SessionAttached:
		a.attached(e.SessionAttached)
	case *bulkheadv1.Record_SessionBatch:
		a.batch(e.SessionBatch)
	case *bulkheadv1.Record_SessionDetached:
		a.session(e.SessionDetached.GetSession(), kind)
	case *bulkheadv1.Record_SessionEnded:
		a.sessionEnded(e.SessionEnded)
	case *bulkheadv1.Record_HandlerExited:
		a.handlerExited(e.HandlerExited)
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
	s := a.session(e.GetSession(), "SessionAttached")
	if e.GetResumeAfter() > s.lastSeq {
		a.violation("session %d: client was told to resume after %d, but only %d is durable",
			e.GetSession(), e.GetResumeAfter(), s.lastSeq)
	}
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
	if why := checkBatch(e.GetBatch(), first, last); why != "" {
		a.violation("session %d: batch %d…%d: %s", e.GetSession(), first, last, why)
	}
	s.lastSeq = max(s.lastSeq, last)
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

// entryName is the name of the entry's message, such as SessionBatch.
func entryName(rec *bulkheadv1.Record) string {
	m := rec.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("entry"))
	if field == nil {
		return "a record without an entry"
	}
	return string(field.Message().Name())
}
