package report

// Why a message is left out. A message is judged as a whole: when one thing it
// says cannot be true, nothing it says is used.
const (
	BadBatch     = "a batch that does not decode"
	BadSequence  = "a batch that does not hold the messages it should"
	BadTime      = "a time that cannot be"
	BadProcess   = "about no known kind of process"
	BadCrowd     = "about more processes than a client can have"
	BadFact      = "no fact"
	BadNumber    = "a number that cannot be"
	BadHistogram = "a histogram that cannot be"
	BadRound     = "a heartbeat round that is not the next"
	BadAnswer    = "one worker twice in a heartbeat round"
	BadExit      = "an exit that cannot be"
	BadLate      = "after the Stop message"
)
