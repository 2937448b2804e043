package monitor

import (
	"os"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// A task that says where its consumers write has a sample of the machine behind each round, from the
// monitor itself, and the last round too.
func TestRoundsWithTheMachine(t *testing.T) {
	client := dial(t, New(Options{}))
	asked := request(minInterval, os.Getpid())
	asked.GetMonitor().Paths = [][]byte{[]byte(t.TempDir())}
	asked.GetMonitor().LocalAddress, asked.GetMonitor().SupervisorAddress = "127.0.0.1", "127.0.0.1"
	stream := start(t, client, asked)
	next(t, stream)
	for round := range 3 {
		if m := next(t, stream); m.GetMonitor() == nil {
			t.Fatalf("round %d begins with %v", round, m)
		}
		m := next(t, stream)
		sample := m.GetMachine()
		if m.GetProcess().GetKind() != bulkheadv1.ProcessKind_PROCESS_KIND_MONITOR ||
			m.GetProcess().GetPid() != int32(os.Getpid()) || len(sample.GetFileSystems()) != 1 {
			t.Fatalf("round %d: %v", round, m)
		}
		if i := sample.GetInterfaces(); len(i) != 1 || !i[0].GetLoopback() ||
			(i[0].GetActivity() == nil) != (round == 0) {
			t.Errorf("round %d: interfaces %v", round, i)
		}
		if (sample.GetIntervalNano() == 0) != (round == 0) {
			t.Errorf("round %d is of %d ns", round, sample.GetIntervalNano())
		}
	}
	kill(t, client)
	if n := len(rest(t, stream)); n < 2 || n%2 != 0 {
		t.Errorf("%d messages after Kill, want whole rounds", n)
	}
}
