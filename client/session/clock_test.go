package session

import (
	"testing"
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// An echo that was answered sooner than all before it corrects when the load begins, also after that
// was told; the Welcome of another run makes it unknown.
func TestABetterEchoCorrectsTheBegin(t *testing.T) {
	s := &Session{gathering: newGathering()}
	s.gathers(&bulkheadv1.Welcome{RunId: "one", Gathers: true})
	s.measured(Clock{RoundTrip: 3 * time.Millisecond, Ahead: 1400 * time.Microsecond, Measured: 5})
	s.begin(&bulkheadv1.Begin{InNano: int64(time.Hour), AtElapsedNano: boottime.Now() + int64(time.Minute)})
	first := s.Gather().Begin
	s.measured(Clock{RoundTrip: 200 * time.Microsecond, Ahead: 50 * time.Microsecond, Measured: 6})
	if later := s.Gather().Begin.Sub(first); later != 1350*time.Microsecond {
		t.Errorf("the better echo moved the begin by %v; want 1.35ms", later)
	}
	s.gathers(&bulkheadv1.Welcome{RunId: "two", Gathers: true})
	s.measured(Clock{RoundTrip: time.Millisecond, Measured: 1})
	if g := s.Gather(); !g.Begin.IsZero() {
		t.Errorf("the begin of another run holds: %+v", g)
	}
}
