package model

import (
	"fmt"
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

// TestTheCrowdOfTheBenchmarks checks the model of a supervisor with what a quiet machine measured: how
// fast clients come, and the median of their acknowledgements, within 20 %.
func TestTheCrowdOfTheBenchmarks(t *testing.T) {
	for _, c := range Crowds() {
		got, err := c.Simulate(1)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d to %d: %.0f a second (%.0f), p50 %v (%v)", c.From, c.To, got.PerSecond, c.PerSecond, got.P50, c.P50)
		what := fmt.Sprintf("%d to %d clients", c.From, c.To)
		near(t, what+", new a second", got.PerSecond, c.PerSecond, 0.2)
		near(t, what+", ack p50", got.P50.Seconds(), c.P50.Seconds(), 0.2)
	}
}
