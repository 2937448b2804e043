package words

import (
	"fmt"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// RangeOf returns the messages from … to in words; to is 0 if it is not known.
func RangeOf(from, to uint64) string {
	switch {
	case to == 0:
		return "messages from " + human.Count(from) + " on"
	case from == to:
		return "message " + human.Count(from)
	default:
		return "messages " + human.Count(from) + " to " + human.Count(to)
	}
}

// BeVerb returns the verb for the messages from … to: "is" for one.
func BeVerb(from, to uint64) string {
	if from == to {
		return "is"
	}
	return "are"
}

// RestsOf returns the sessions that are the rest of another, by the other's number.
func RestsOf(clients []report.Client) map[uint32]*report.Client {
	rests := make(map[uint32]*report.Client)
	for i := range clients {
		if c := &clients[i]; c.Continues != 0 && (rests[c.Continues] == nil || c.ContinuesGapless) {
			rests[c.Continues] = c
		}
	}
	return rests
}

// Rest returns what a session has of the rest of another; "" for no session.
func Rest(rest *report.Client) string {
	switch {
	case rest == nil:
		return ""
	case !rest.ContinuesGapless && rest.MissingUntil > 0:
		return fmt.Sprintf("more of it was delivered later by resend, as %s, but messages up to %s are missing between",
			rest.Label, human.Count(rest.MissingUntil))
	case !rest.ContinuesGapless:
		return fmt.Sprintf("more of it was delivered later by resend, as %s, but messages are missing between",
			rest.Label)
	case rest.Outcome == report.OutcomeClosed && rest.StopReason != "":
		return fmt.Sprintf("its rest was delivered later by resend, as %s", rest.Label)
	default:
		return fmt.Sprintf("a part of its rest was delivered later by resend, as %s", rest.Label)
	}
}
