package session

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"bulkhead/client/outbox"
	"bulkhead/internal/protocol"
	"bulkhead/internal/reason"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// maxMoves is how often a session moves to another run. A supervisor that loses its state, or ends a
// run without this client, is rare; two that answer at one address by turns would send the client
// from one to the other for ever, and each run would have a piece of it.
const maxMoves = 64

// Move is one time that a session continued in another run.
type Move struct {
	From  string // the run before
	After uint64 // how many of the client's messages are in earlier runs
	Over  bool   // that run is over; otherwise the supervisor does not know it
}

// Leaving says where a session ended that may continue in another run.
type Leaving struct {
	// After is the last of its messages that the old run has, as far as the supervisor
	// says; to is the run that it has now, empty if it does not say.
	After uint64
	To    string
	Over  bool
}

// leaves reports whether err ends a session only because the supervisor has lost its run, or never
// had it: another supervisor, or one without its state, or the next run.
func (s *Session) leaves(err error) (Leaving, bool) {
	if !s.Continues {
		return Leaving{}, false
	}
	var gap outbox.GapError
	if errors.As(err, &gap) { // it has the session, but not all of it
		return Leaving{After: gap.Acked, To: s.hello.GetRunId()}, true
	}
	switch why, about := RefusedRun(s.hello, err); why {
	case bulkheadv1.Reason_REASON_RUN_UNKNOWN:
		return Leaving{To: about[reason.Run]}, true
	case bulkheadv1.Reason_REASON_RUN_OVER:
		end, told := protocol.SessionOverOf(about)
		loads := !s.outbox.State().Sealed && !s.isDrained()
		return Leaving{After: end.After, Over: true}, loads && (!told || end.Outcome == bulkheadv1.Outcome_OUTCOME_LOST)
	default:
		return Leaving{}, false
	}
}

// RefusedRun returns why the supervisor refuses the run that the client names, and what it says
// besides; unspecified if it does not.
func RefusedRun(hello *bulkheadv1.Hello, err error) (bulkheadv1.Reason, map[string]string) {
	var r Refusal
	if hello.GetRunId() == "" || !errors.As(err, &r) || r.Status.Code() != codes.FailedPrecondition {
		return bulkheadv1.Reason_REASON_UNSPECIFIED, nil
	}
	return reason.Of(r.Status)
}

// Continue makes the session one of its own in another run: with a client id that is derived
// from where it begins, and its messages numbered from 1.
func (s *Session) Continue(l Leaving) error {
	last, before, err := s.outbox.Renumber(l.After)
	if err != nil {
		return final{err}
	}
	h := proto.CloneOf(s.hello)
	if last > 0 || h.Continues == nil { // else the old run has nothing of it but where it began
		h.Continues = &bulkheadv1.Continuation{RunId: h.GetRunId(), ClientId: h.GetClientId(), After: last,
			Before: before}
	}
	id := protocol.RestID(h.GetClientId(), l.To, last)
	h.ClientId, h.RunId, h.LastConnection = id[:], "", 0
	if err := s.outbox.Introduce(h); err != nil {
		s.log.Error(err.Error())
	}
	m := Move{From: s.hello.GetRunId(), After: before, Over: l.Over}
	s.Moves, s.hello, s.goodbyeSent = append(s.Moves, m), h, false
	why := "supervisor " + s.way.At() + " does not know run " + m.From
	if l.Over {
		why = "run " + m.From + " is over"
	}
	s.log.Warn(why+"; this client continues as a session of its own in the current run", "messages_before", before,
		"undelivered_messages", s.outbox.State().Undelivered())
	return nil
}

// String returns where what was said before the move is.
func (m Move) String() string {
	switch {
	case m.After == 0 && m.Over:
		return fmt.Sprintf("run %s ended without this client, whose session is one of the next run", m.From)
	case m.After == 0:
		return fmt.Sprintf(
			"the supervisor no longer knows run %s; the session continues in another run, which has all messages",
			m.From)
	case m.Over:
		return fmt.Sprintf(
			"run %s, which ended without this client, has the first %s of it; the rest is a session of the next run",
			m.From, messagesText(m.After))
	default:
		return fmt.Sprintf("run %s, which the supervisor no longer knows, has the first %s of this client; "+
			"the rest is a session of another run", m.From, messagesText(m.After))
	}
}

func messagesText(n uint64) string {
	if n == 1 {
		return "message"
	}
	return fmt.Sprintf("%d messages", n)
}
