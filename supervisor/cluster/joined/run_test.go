package joined

import (
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/cluster"
	"bulkhead/supervisor/recovery"
)

// What was read is enough when it has what was durable as a session was opened, or more: another supervisor can
// have taken it since, and nobody waits for that to be undone.
func TestReaches(t *testing.T) {
	client := []byte("client")
	past := recovery.New()
	past.Sessions[1] = &recovery.Session{Number: 1, Hello: &bulkheadv1.Hello{ClientId: client}, Durable: 8}
	for durable, want := range map[uint64]bool{7: true, 8: true, 9: false} {
		if got := reaches(past, map[string]cluster.Head{string(client): {Durable: durable}}); got != want {
			t.Errorf("8 messages reach a head with %d: %v", durable, got)
		}
	}
	if reaches(past, map[string]cluster.Head{"another": {Durable: 1}}) {
		t.Error("a session that is not there reaches a head with a message")
	}
}
