package report

import "strings"

// causeLead is what a cause may begin with that its class says already.
func causeLead(class string) string {
	switch class {
	case ExitOOM:
		return "ran out of memory"
	case ExitHang:
		return "hung"
	case ExitProtocol:
		return "broke the protocol"
	case ExitSandbox:
		return "did what its sandbox forbids"
	case ExitNotStarted:
		return "never started"
	default:
		return ""
	}
}

// causeBeyond is the cause of an end without what its class says already, so that a
// text with both says nothing twice.
func causeBeyond(e *Exit) string {
	lead := causeLead(e.Class)
	if lead == "" {
		return e.Cause
	}
	rest, found := strings.CutPrefix(e.Cause, lead)
	if more, colon := strings.CutPrefix(rest, ": "); found && (colon || rest == "") {
		return more
	}
	return e.Cause
}
