package judge

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The steady window is what the definition says, whatever the rates.
func TestSteadyWindowIsTheLongest(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 3))
	for range 200 {
		rates := make([]float64, 5+random.IntN(40))
		for i := range rates {
			rates[i] = 1e9 * (1 + 0.3*random.Float64())
			if random.IntN(25) == 0 {
				rates[i] = 0
			}
		}
		var want Steady
		for from := range rates {
			for to := from + steadyIntervals; to <= len(rates); to++ {
				var sum, squares float64
				ok := true
				for _, x := range rates[from:to] {
					sum += x
					ok = ok && x > 0
				}
				mean := sum / float64(to-from)
				for _, x := range rates[from:to] {
					squares += (x - mean) * (x - mean)
				}
				variation := math.Sqrt(squares/float64(to-from-1)) / mean
				if ok && variation <= SteadyVariation && to-from > want.To-want.From {
					want = Steady{from, to, mean, variation}
				}
			}
		}
		got, _ := SteadyWindow(rates)
		if got.From != want.From || got.To != want.To || math.Abs(got.mean-want.mean) > 1 ||
			math.Abs(got.Variation-want.Variation) > 1e-9 {
			t.Fatalf("of %v: %+v, want %+v", rates, got, want)
		}
	}
}
