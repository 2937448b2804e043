package spec

import (
	"math"
	"time"
)

// Steady says when the throughput counts as steady.
type Steady struct {
	// Window is the time that is looked at, at least five times Config.ProgressInterval;
	// 0 never ends a load.
	Window time.Duration
	// MaxVariation is the most that the throughput may vary in it: its coefficient of
	// variation over the progress intervals, in percent.
	MaxVariation float64
}

// steadyIntervals is the least number of intervals in a window. SNIA's Solid State
// Storage Performance Test Specification looks at five rounds to tell a steady state.
const steadyIntervals = 5

// Variation is the coefficient of variation of values in percent: the standard
// deviation of all of them by their mean. It is infinite if nothing was written.
func Variation(values []float64) float64 {
	mean := MeanOf(values)
	if mean <= 0 {
		return math.Inf(1)
	}
	squares := 0.0
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return 100 * math.Sqrt(squares/float64(len(values))) / mean
}

// MeanOf is the mean; 0 of nothing.
func MeanOf(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
