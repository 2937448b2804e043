package words

import (
	"strings"

	"bulkhead/supervisor/report"
)

// causeLead returns what a cause may begin with that its class says already.
func causeLead(class string) string {
	switch class {
	case report.ExitOOM:
		return "ran out of memory"
	case report.ExitHang:
		return "hung"
	case report.ExitProtocol:
		return "broke the protocol"
	case report.ExitSandbox:
		return "did what its sandbox forbids"
	case report.ExitNotStarted:
		return "never started"
	default:
		return ""
	}
}

// CauseBeyond returns the cause of an end without what its class says already, so that a
// text with both says nothing twice.
func CauseBeyond(e *report.Exit) string {
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
