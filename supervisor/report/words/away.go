package words

import (
	"strings"

	"bulkhead/supervisor/report"
)

// Away returns why a client was away, in words; "" for an unknown reason.
func Away(why string) string {
	switch why {
	case report.AwayStarved:
		return "client starved"
	case report.AwayNetwork:
		return "network gone"
	case report.AwayDied:
		return "client died"
	case report.AwayBreach:
		return "client broke the protocol"
	case report.AwayLimit:
		return "client sent too much at once"
	case report.AwayTransport:
		return "client's transport"
	case report.AwayEnded:
		return "client ended its stream"
	case report.AwayHandler:
		return "handler"
	case report.AwaySupervisor:
		return "supervisor"
	default:
		return ""
	}
}

// lossWords returns what is known of why a lost client never came back, after its last
// connection, beside what was said of that.
func lossWords(last *report.Connection, said string) string {
	because := ""
	if !strings.Contains(said, last.DetachCause) {
		because = ": " + last.DetachCause
	}
	switch {
	case last.LostAcknowledged: // the cause says all
		return ""
	case last.AwayWhy == report.AwayDied:
		return "its machine closed the connection, so the client probably died"
	case last.AwayWhy == report.AwayHandler:
		return "its handler had ended"
	case last.AwayWhy == report.AwayTransport:
		return "its transport had broken its connection" + because
	case last.AwayWhy == report.AwayLimit:
		return "it had sent too much at once" + because
	case last.AwayWhy == report.AwayEnded:
		return "it had ended its stream itself" + because
	case last.AwayWhy == report.AwaySupervisor:
		return "the supervisor had ended its connection"
	case last.DetachClass == report.DetachSilent:
		return "nothing more was heard from it: its network, its machine or the client itself"
	default:
		return ""
	}
}
