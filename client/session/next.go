package session

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	"bulkhead/client/route"
	"bulkhead/client/spec"
	"bulkhead/internal/human"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// next is what comes after a connection.
type next struct {
	again retryable
	more  bool // another address can be tried at once
	moved bool // to another run
}

// after decides what comes after a connection that came so far and ended so, when the last one that
// was of use ended at lost. If the session is over, the error says why; nil is in order.
//
// What one supervisor refuses is the answer of all, for they have one run; but one that does not
// have the session's run, or is none, is the wrong one while another may be the right one.
func (s *Session) after(far reached, err error, lost time.Time) (n next, over bool, why error) {
	var again retryable
	retry := errors.As(err, &again)
	to, leaves := s.leaves(err)
	others := !s.way.route.Alone()
	switch refused, _ := RefusedRun(s.hello, err); {
	case others && refused == bulkheadv1.Reason_REASON_RUN_UNKNOWN:
		more := s.way.ended(route.Stranger, err, 0)
		late := !lost.IsZero() && time.Since(lost) >= s.grace()
		if !s.way.route.Lonely() && !(leaves && late) {
			return s.going(passedBy(err), more), false, nil
		}
		if !leaves {
			return next{}, true, s.settle(err)
		}
		return s.move(to, err)
	case leaves:
		s.way.ended(route.Cut, err, 0)
		return s.move(to, err)
	case !retry && others && isAlien(err):
		more := s.way.ended(route.Failed, err, 0)
		if s.way.aliens++; !more && s.way.aliens >= len(s.way.failures) {
			return next{}, true, s.settle(err)
		}
		return s.going(passedBy(err), more), false, nil
	case !retry:
		return next{}, true, s.settle(err)
	}
	how := route.Failed
	if far.welcomed {
		how = again.end()
	}
	more := s.way.ended(how, err, again.after)
	if s.way.sent(again.elsewhere) {
		more = true
	}
	return s.going(again, more), false, nil
}

// going returns what comes next if there is more to try in this round, or not.
func (s *Session) going(again retryable, more bool) next {
	if !more {
		again = s.way.over(again)
	}
	return next{again: again, more: more}
}

// passedBy returns what is no end of the session: an error of its words alone.
func passedBy(err error) retryable { return broken(errors.New(err.Error())) }

// isAlien reports whether what answers is no supervisor, or none that is trusted.
func isAlien(err error) bool {
	var untrusted distrusted
	var r Refusal
	return errors.As(err, &untrusted) || errors.As(err, &r) && r.Status.Code() == codes.Unimplemented
}

// move makes the session one of the run that the supervisor of now has.
func (s *Session) move(to Leaving, why error) (n next, over bool, err error) {
	if len(s.Moves) == maxMoves {
		return next{}, true, fmt.Errorf("the session has moved to another run %d times; do several "+
			"supervisors answer at %s? (%w)", maxMoves, s.way, why)
	}
	if err := s.Continue(to); err != nil {
		return next{}, true, err
	}
	s.way.stay()
	return next{again: broken(why), moved: true}, false, nil
}

// grace returns how long a session without a connection waits for a supervisor that has its run,
// while one of another run would take it: as long as that may have the session.
func (s *Session) grace() time.Duration {
	if told := time.Duration(s.Newest.GetLimits().GetGraceNano()); told > 0 {
		return min(told, graceMost)
	}
	return s.connectTimeout
}

// unreachable returns the error of a session that has no time left.
func (s *Session) unreachable(t *tries, why retryable) error {
	switch {
	case s.IsWelcomed():
		return fmt.Errorf("supervisor %s %s (%w)", s.way,
			spec.Measured("not reachable again in", time.Since(t.lost), s.awayTimeout()), why)
	case t.shed:
		return fmt.Errorf("supervisor %s did not take this client in %s (%w)", s.way,
			human.BriefDuration(time.Since(t.began)), why)
	default:
		return fmt.Errorf("supervisor %s %s (%w); is it running, and is the address right?", s.way,
			spec.Measured("not reachable in", time.Since(t.began), s.connectTimeout), why)
	}
}

// say logs why there is no connection, and what is tried next.
func (s *Session) say(t *tries, n next, wait time.Duration) {
	why := n.again
	if n.more {
		text := fmt.Sprintf("supervisor %s does not serve this client (%v); trying another address", s.way.At(), why)
		if text != s.aside { // else it was said in an earlier round
			s.aside = text
			s.log.Warn(text)
		}
		return
	}
	who := s.way.who()
	again := "trying again in " + human.BriefDuration(wait)
	if t.heeded {
		again += ", as it asked for"
	}
	left := time.Until(t.deadline)
	switch {
	case s.IsWelcomed():
		s.log.Warn(fmt.Sprintf("connection to supervisor %s lost (%v); %s", who, why, again))
	case why.absence == bulkheadv1.Absence_ABSENCE_SENT_AWAY:
		s.log.Warn(fmt.Sprintf("supervisor %s turned this client away (%v); %s, giving up in %s", who, why, again,
			human.BriefDuration(left)))
	default:
		s.log.Warn(fmt.Sprintf("supervisor %s not reachable (%v); %s, giving up in %s", who, why, again,
			human.BriefDuration(left)))
	}
}
