package scripted

import (
	"crypto/rand"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Note returns a message whose content names it.
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
	return &bulkheadv1.Hello{ProtocolVersion: 1, ClientId: id, Instance: instance,
		Name: "tester", Workload: &bulkheadv1.Workload{}}
}

func NoteOf(m *bulkheadv1.Message) int {
	var n int
	fmt.Sscanf(m.GetMonitorError().GetReason(), "%d:", &n)
	return n
}

// BatchIn returns the batch in an encoded ClientFrame, nil in none, or what is wrong with it.
func BatchIn(frame []byte) (*bulkheadv1.Batch, error) {
	if frame == nil {
		return nil, nil
	}
	var decoded bulkheadv1.ClientFrame
	if err := proto.Unmarshal(frame, &decoded); err != nil {
		return nil, err
	}
	if decoded.GetBatch() == nil {
		return nil, fmt.Errorf("a frame with %T; want a batch", decoded.GetFrame())
	}
	return decoded.GetBatch(), nil
}
