package scripted

import (
	"crypto/rand"
	"fmt"
	"strings"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Note is a message whose content names it.
func Note(n int, padding int) *bulkheadv1.Message {
	return &bulkheadv1.Message{Fact: &bulkheadv1.Message_MonitorError{MonitorError: &bulkheadv1.MonitorError{
		Reason: fmt.Sprintf("%d:%s", n, strings.Repeat("x", padding)),
	}}}
}

// TestHello introduces a client of its own.
func TestHello() *bulkheadv1.Hello {
	id, instance := make([]byte, protocol.ClientIDBytes), make([]byte, protocol.ClientIDBytes)
	_, _ = rand.Read(id) // never an error
	_, _ = rand.Read(instance)
	return &bulkheadv1.Hello{ProtocolVersion: 1, ClientId: id, Instance: instance, Name: "tester", Workload: &bulkheadv1.Workload{}}
}

func NoteOf(m *bulkheadv1.Message) int {
	var n int
	fmt.Sscanf(m.GetMonitorError().GetReason(), "%d:", &n)
	return n
}
