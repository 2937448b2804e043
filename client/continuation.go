package client

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"bulkhead/internal/reason"
	"bulkhead/internal/remainder"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// move is one time that a session went on in another run than it was begun in.
type move struct {
	from  string // the run before
	after uint64 // how many of the client's messages are in earlier runs
	over  bool   // that run is over; otherwise the supervisor does not know it
}

// leaving says where a session ended that may go on in another run.
type leaving struct {
	// after is the last of its messages that the old run has, as far as the supervisor
	// says; to is the run that it has now, empty if it does not say.
	after uint64
	to    string
	over  bool
}

// leaves says whether err ends a session only because the supervisor has no such run any
// more, or never had: another supervisor, or one without its state, or the next run.
func (s *session) leaves(err error) (leaving, bool) {
	if !s.goesOn {
		return leaving{}, false
	}
	var gap gapError
	if errors.As(err, &gap) { // it has the session, but not all of it
		return leaving{after: gap.acked, to: s.hello.GetRunId()}, true
	}
	switch why, about := refusedRun(s.hello, err); why {
	case bulkheadv1.Reason_REASON_RUN_UNKNOWN:
		return leaving{to: about[reason.Run]}, true
	case bulkheadv1.Reason_REASON_RUN_OVER:
		end, told := remainder.FromMetadata(about)
		loads := !s.outbox.state().sealed && !s.isDrained()
		return leaving{after: end.After, over: true}, loads && (!told || end.Outcome == "lost")
	default:
		return leaving{}, false
	}
}

// refusedRun is why the supervisor refuses the run that the client names, and what it says
// besides; unspecified if it does not.
func refusedRun(hello *bulkheadv1.Hello, err error) (bulkheadv1.Reason, map[string]string) {
	var r refusal
	if hello.GetRunId() == "" || !errors.As(err, &r) || r.status.Code() != codes.FailedPrecondition {
		return bulkheadv1.Reason_REASON_UNSPECIFIED, nil
	}
	return reason.Of(r.status)
}

// goOn makes the session one of its own in another run: with a client id that is derived
// from where it begins, and its messages numbered from 1.
func (s *session) goOn(l leaving) error {
	last, before, err := s.outbox.renumber(l.after)
	if err != nil {
		return final{err}
	}
	h := proto.CloneOf(s.hello)
	if last > 0 || h.Continues == nil { // else the old run has nothing of it but where it began
		h.Continues = &bulkheadv1.Continuation{RunId: h.GetRunId(), ClientId: h.GetClientId(), After: last, Before: before}
	}
	id := remainder.ID(h.GetClientId(), l.to, last)
	h.ClientId, h.RunId, h.LastConnection = id[:], "", 0
	if err := s.outbox.introduce(h); err != nil {
		s.log.Error(err.Error())
	}
	m := move{from: s.hello.GetRunId(), after: before, over: l.over}
	s.moves, s.hello, s.goodbyeSent = append(s.moves, m), h, false
	why := "supervisor " + s.address + " knows nothing of run " + m.from
	if l.over {
		why = "run " + m.from + " is over"
	}
	s.log.Warn(why+"; this client goes on as a session of its own in the run that there is", "messages_before", before, "undelivered_messages", s.outbox.state().undelivered())
	return nil
}

// String says where what was said before the move is.
func (m move) String() string {
	switch {
	case m.after == 0 && m.over:
		return fmt.Sprintf("run %s ended without this client, whose session is one of the next run", m.from)
	case m.after == 0:
		return fmt.Sprintf("the supervisor knows nothing of run %s any more; the session is one of another run, and has all messages", m.from)
	case m.over:
		return fmt.Sprintf("run %s, which ended without this client, has the first %s of it; the rest is a session of the next run", m.from, messagesText(m.after))
	default:
		return fmt.Sprintf("run %s, of which the supervisor knows nothing any more, has the first %s of this client; the rest is a session of another run", m.from, messagesText(m.after))
	}
}

func messagesText(n uint64) string {
	if n == 1 {
		return "message"
	}
	return fmt.Sprintf("%d messages", n)
}
