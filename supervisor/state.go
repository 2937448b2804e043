package supervisor

import (
	"slices"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// phase is where a session is in its life.
type phase uint8

const (
	fresh       phase = iota // known, not yet in the journal
	active                   // a handler serves its connection
	adrift                   // was active when the last supervisor ended; its handler may come back
	away                     // no connection, the grace time runs
	closed                   // outcome: Goodbye and every message durable
	lost                     // outcome: away for longer than the grace time
	rejected                 // outcome: broke the protocol, or had a name that is another's
	quarantined              // outcome: a batch kept killing handlers
)

// states are the phases as status has them.
var states = [...]bulkheadv1.SessionState{
	fresh:       bulkheadv1.SessionState_SESSION_STATE_NEW,
	active:      bulkheadv1.SessionState_SESSION_STATE_ACTIVE,
	adrift:      bulkheadv1.SessionState_SESSION_STATE_RESUMING,
	away:        bulkheadv1.SessionState_SESSION_STATE_AWAY,
	closed:      bulkheadv1.SessionState_SESSION_STATE_CLOSED,
	lost:        bulkheadv1.SessionState_SESSION_STATE_LOST,
	rejected:    bulkheadv1.SessionState_SESSION_STATE_REJECTED,
	quarantined: bulkheadv1.SessionState_SESSION_STATE_QUARANTINED,
}

// state returns the phase as status has it.
func (p phase) state() bulkheadv1.SessionState { return states[p] }

// String returns the name of the phase for people: "active".
func (p phase) String() string { return protocol.Word(p.state()) }

// ended reports whether the session has an outcome.
func (p phase) ended() bool { return p >= closed }

// refuses reports whether a client that comes to the session is only told how it ended.
func (p phase) refuses() bool { return p.ended() && p != closed }

// outcomes are the phases that have ended, as the journal names them.
var outcomes = map[phase]bulkheadv1.Outcome{
	closed:      bulkheadv1.Outcome_OUTCOME_CLOSED,
	lost:        bulkheadv1.Outcome_OUTCOME_LOST,
	rejected:    bulkheadv1.Outcome_OUTCOME_REJECTED,
	quarantined: bulkheadv1.Outcome_OUTCOME_QUARANTINED,
}

// outcome returns the outcome of a phase that has ended.
func (p phase) outcome() bulkheadv1.Outcome { return outcomes[p] }

// phaseOf returns the phase that status has as a state; fresh for one that is not known.
func phaseOf(s bulkheadv1.SessionState) phase {
	return phase(max(slices.Index(states[:], s), 0))
}

// event is what can happen to a session.
type event uint8

const (
	connected  event = iota // a connection said this session's Hello
	reattached              // the connection the session was adrift with is back
	cut                     // the current connection is gone
	goodbye                 // Goodbye, and every message durable
	breach                  // the client broke the protocol
	disowned                // the current connection is not of the session's client
	ousted                  // the client whose name the session's has without proof has come
	poisoned                // the same messages have killed too many handlers
	graceOver               // the grace time has run out
	runOver                 // the run ends now
	drainOver               // the time has run out in which its client alone was to end its load
)

// action is what a transition asks of the processor, in order.
type action uint8

const (
	dropLink     action = iota // end the current connection, another took its place
	recordDetach               // journal SessionDetached
	recordAttach               // journal SessionAttached
	startGrace                 // start the grace timer
	stopGrace                  // stop it
	welcome                    // send Welcome on the new connection
	recordEnd                  // journal SessionEnded with the new phase's outcome
	finishOK                   // end the client's stream in order
	finishOver                 // end the client's stream: the run is over
	finishLost                 // end the client's stream: the session is over
	refuse                     // end the new connection: the session has ended
)

// next returns the phase that follows p on e, and what to do: the life of a session. It is a pure
// function; a pair that is not named changes nothing.
func next(p phase, e event) (phase, []action) {
	switch p {
	case fresh:
		switch e {
		case connected:
			return active, []action{recordAttach, welcome}
		case ousted:
			return rejected, []action{recordEnd}
		case runOver:
			return lost, []action{recordEnd}
		}
	case active:
		switch e {
		case connected:
			return active, []action{dropLink, recordDetach, recordAttach, welcome}
		case cut, disowned:
			return away, []action{recordDetach, startGrace}
		case goodbye:
			return closed, []action{recordEnd, finishOK}
		case breach, ousted:
			return rejected, []action{recordDetach, recordEnd}
		case poisoned:
			return quarantined, []action{recordDetach, recordEnd}
		case runOver:
			return lost, []action{recordEnd, finishOver}
		case drainOver:
			return lost, []action{recordEnd, finishLost}
		}
	case adrift:
		switch e {
		case connected:
			return active, []action{recordDetach, recordAttach, welcome}
		case reattached:
			return active, []action{recordAttach, welcome}
		case cut:
			return away, []action{recordDetach, startGrace}
		case breach, ousted:
			return rejected, []action{recordDetach, recordEnd}
		case poisoned:
			return quarantined, []action{recordDetach, recordEnd}
		case runOver, drainOver:
			return lost, []action{recordDetach, recordEnd}
		}
	case away:
		switch e {
		case connected:
			return active, []action{stopGrace, recordAttach, welcome}
		case graceOver:
			return lost, []action{recordEnd}
		case ousted:
			return rejected, []action{stopGrace, recordEnd}
		case runOver, drainOver:
			return lost, []action{stopGrace, recordEnd}
		}
	case closed:
		switch e {
		case connected, reattached: // the client did not hear that it is closed
			return closed, []action{welcome}
		case goodbye:
			return closed, []action{finishOK}
		}
	default:
		if e == connected || e == reattached {
			return p, []action{refuse}
		}
	}
	return p, nil
}
