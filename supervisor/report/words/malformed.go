package words

import "bulkhead/supervisor/report"

// LeftOut returns why a message is left out.
func LeftOut(why report.Bad) string {
	switch why {
	case report.BadBatch:
		return "a batch that does not decode"
	case report.BadSequence:
		return "a batch that does not hold the messages it should"
	case report.BadTime:
		return "an impossible time"
	case report.BadProcess:
		return "about no known kind of process"
	case report.BadCrowd:
		return "about more processes than a client can have"
	case report.BadFact:
		return "no fact"
	case report.BadNumber:
		return "an impossible number"
	case report.BadHistogram:
		return "an impossible histogram"
	case report.BadRound:
		return "a heartbeat round that is not the next"
	case report.BadAnswer:
		return "one worker twice in a heartbeat round"
	case report.BadExit:
		return "an impossible exit"
	case report.BadLate:
		return "after the Stop message"
	default:
		return "other reasons"
	}
}
