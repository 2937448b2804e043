package conduct

import (
	"strings"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// What is counted in a row begins anew when something more is durable.
func TestProgressEndsARow(t *testing.T) {
	var p Poison
	var e Excess
	for i, step := range []struct {
		durable uint64
		want    int
	}{{0, 1}, {0, 2}, {7, 1}, {7, 2}, {7, 3}, {8, 1}} {
		if got := p.Killed(step.durable); got != step.want {
			t.Errorf("step %d: %d handlers killed; want %d", i, got, step.want)
		}
		if got := e.Again(step.durable); got != step.want {
			t.Errorf("step %d: too much %d times; want %d", i, got, step.want)
		}
	}
}

func TestContradictionsAreCountedByKind(t *testing.T) {
	var c Contradictions
	const unknown = bulkheadv1.ContradictionKind(1000)
	for i, kind := range []bulkheadv1.ContradictionKind{
		bulkheadv1.ContradictionKind_CONTRADICTION_KIND_RESENT_DIFFERS, unknown, -1, unknown,
		bulkheadv1.ContradictionKind_CONTRADICTION_KIND_RESENT_DIFFERS,
	} {
		if got, want := c.Count(kind), []int{1, 1, 2, 3, 2}[i]; got != want {
			t.Errorf("contradiction %d is the %dth of its kind; want %d", i, got, want)
		}
	}
}

func TestAnotherProcess(t *testing.T) {
	sent := func(n uint64) *uint64 { return &n }
	for _, tt := range []struct {
		name      string
		hello     *bulkheadv1.Hello
		connected bool
		other     bool
	}{
		{"the same", &bulkheadv1.Hello{Instance: []byte("a"), LastConnection: 2, SentSeq: sent(10)}, true, false},
		{"says nothing", &bulkheadv1.Hello{}, true, false},
		{"another, and the first is connected", &bulkheadv1.Hello{Instance: []byte("b")}, true, true},
		{"started again", &bulkheadv1.Hello{Instance: []byte("b"), LastConnection: 2}, false, false},
		{"did not hear the last Welcome", &bulkheadv1.Hello{Instance: []byte("a"), LastConnection: 1}, false, true},
		{"has not sent what is durable", &bulkheadv1.Hello{SentSeq: sent(9)}, false, true},
	} {
		var h Holder
		for range 2 {
			h.Welcomed(&bulkheadv1.Hello{Instance: []byte("a")})
		}
		h.Heard()
		if stale := h.Stale(tt.hello, 10); stale != strings.HasPrefix(tt.name, "did not hear") {
			t.Errorf("%s: stale is %v", tt.name, stale)
		}
		if why := h.Other(tt.hello, tt.connected, 10); (why != "") != tt.other {
			t.Errorf("%s: %q; want another process: %v", tt.name, why, tt.other)
		}
	}
}
