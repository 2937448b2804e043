package words

import (
	"strings"
	"testing"

	"bulkhead/supervisor/report"
)

// The last end of a lost client's connection is told once: its cause has it already, but for
// runs that were recorded before it had.
func TestLossIsToldOnce(t *testing.T) {
	const end = "Batch has 1025 messages; at most 1024 are allowed"
	for _, why := range []string{report.AwayLimit, report.AwayEnded, report.AwayTransport} {
		for _, cause := range []string{"no connection for 4s; the last one ended: " + end, "no connection for 4s"} {
			lost := report.Client{
				Outcome: report.OutcomeLost, Cause: cause,
				Connections: []report.Connection{{DetachedAt: 1, AwayWhy: why, DetachCause: end}},
			}
			if told := EndCause(&lost); strings.Count(told, end) != 1 {
				t.Errorf("%s: %q", why, told)
			}
		}
	}
}
