package model

import (
	"math"
	"testing"
)

// TestTheEngineOfTheLaboratory checks the model of the engine with what three real nodes did on one
// machine with two processors and one disk: every row within 20 %.
func TestTheEngineOfTheLaboratory(t *testing.T) {
	for _, m := range Measured() {
		got := m.Simulate(1)
		off := got.PerSecond/m.PerSecond - 1
		t.Logf("%2d KiB × %3d: %5.0f a second (%5.0f, %+3.0f %%), p50 %v, p99 %v", m.Bytes>>10, m.Sessions,
			got.PerSecond, m.PerSecond, 100*off, got.P50, got.P99)
		if math.Abs(off) > 0.2 {
			t.Errorf("%d KiB × %d: %.0f appends a second; want %.0f", m.Bytes>>10, m.Sessions, got.PerSecond,
				m.PerSecond)
		}
	}
}
