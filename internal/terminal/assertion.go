package terminal

import (
	"strings"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// assertionText returns how a threshold is kept: "p99 < 50ms for 10s abort: breached, p99 was at least
// 60ms in 10s".
func assertionText(a *bulkheadv1.AssertionStatus) string {
	text := a.GetAssertion() + ": " + strings.ReplaceAll(protocol.Word(a.GetState()), "_", " ")
	if a.GetValue() != "" {
		text += ", " + a.GetValue()
	}
	return clean(text)
}
