package words

import "bulkhead/supervisor/report"

// LeftOut says why a message is left out.
func LeftOut(why report.Bad) string {
	switch why {
	case report.BadBatch:
		return "a batch that does not decode"
	case report.BadSequence:
		return "a batch that does not hold the messages it should"
	case report.BadTime:
		return "a time that cannot be"
	case report.BadProcess:
		return "about no known kind of process"
	case report.BadCrowd:
		return "about more processes than a client can have"
	case report.BadFact:
		return "no fact"
	case report.BadNumber:
		return "a number that cannot be"
	case report.BadHistogram:
		return "a histogram that cannot be"
	case report.BadRound:
		return "a heartbeat round that is not the next"
	case report.BadAnswer:
		return "one worker twice in a heartbeat round"
	case report.BadExit:
		return "an exit that cannot be"
	case report.BadLate:
		return "after the Stop message"
	default:
		return "other reasons"
	}
}
