package session

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/boottime"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// lastEndMaxBytes bounds Hello.last_end.
const lastEndMaxBytes = protocol.MaxEndBytes

// connectionEnd is how a connection that had been welcomed ended, and what was
// tried since.
type connectionEnd struct {
	absence bulkheadv1.Absence
	why     string
	failed  int    // tries since, without a Welcome
	last    string // how the last of them ended
}

// String returns the end in words.
func (e *connectionEnd) String() string {
	text := e.why
	if e.failed > 0 {
		text += fmt.Sprintf("; then %d tries without a welcome, the last: %s", e.failed, e.last)
	}
	if len(text) > lastEndMaxBytes {
		text = text[:lastEndMaxBytes]
	}
	return strings.ToValidUTF8(text, "")
}

// ended takes note of the end of a connection.
func (s *Session) ended(far reached, why retryable) {
	if !far.welcomed {
		if s.lastEnd != nil {
			s.lastEnd.failed++
			s.lastEnd.last = why.Error()
		}
		return
	}
	s.lastEnd = &connectionEnd{absence: why.absence, why: why.Error()}
	if s.vitals.absent(time.Now()) {
		s.lastEnd.absence = bulkheadv1.Absence_ABSENCE_STARVED
	}
}

// introduce returns the Hello of the next connection: who this is, and why there was no
// connection.
func (s *Session) introduce() *bulkheadv1.Hello {
	now := time.Now()
	h := proto.CloneOf(s.hello)
	if !h.GetResent() { // else only the client itself would know
		h.SentSeq = proto.Uint64(s.outbox.State().Sent)
	}
	h.WallClockUnixNano, h.ElapsedNano = now.UnixNano(), boottime.At(now)
	s.telling = s.vitals.total(now)
	h.StarvedNano = int64(s.telling - s.told)
	if s.lastEnd != nil {
		h.Absence, h.LastEnd = s.lastEnd.absence, s.lastEnd.String()
	}
	return h
}
