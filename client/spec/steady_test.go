package spec

import (
	"math"
	"testing"
	"time"
)

func TestVariation(t *testing.T) {
	for _, row := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{5, 5, 5}, 0},
		{[]float64{90, 110}, 10},
		{[]float64{2, 4, 4, 4, 5, 5, 7, 9}, 40}, // mean 5, deviation 2
		{[]float64{0, 10}, 100},
		{[]float64{0, 0}, math.Inf(1)},
		{nil, math.Inf(1)},
	} {
		if got := Variation(row.values); math.Abs(got-row.want) > 1e-9 && got != row.want {
			t.Errorf("variation(%v) = %v; want %v", row.values, got, row.want)
		}
	}
}

func TestRamp(t *testing.T) {
	cfg := Config{Ramp: 10 * time.Second, Consumers: make([]Consumer, 4)}
	cfg.Consumers[3].StartDelay = time.Second
	for i, want := range []time.Duration{0, 2500 * time.Millisecond, 5 * time.Second, 8500 * time.Millisecond} {
		if got := cfg.Begin(i); got != want {
			t.Errorf("consumer %d begins after %s; want %s", i, got, want)
		}
	}
	if got := cfg.AllBegun(); got != 8500*time.Millisecond {
		t.Errorf("all have begun after %s", got)
	}
}
