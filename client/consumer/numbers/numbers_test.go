package numbers

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestNumbersAreASet adds numbers in an order that is in turn but for neighbours, as writers
// finish files, and with gaps.
func TestNumbersAreASet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var order []uint64
		for n := range uint64(rng.IntN(300)) {
			if rng.IntN(10) > 0 {
				order = append(order, n)
			}
		}
		want := slices.Clone(order)
		for at := range order {
			swap := min(at+rng.IntN(8), len(order)-1)
			order[at], order[swap] = order[swap], order[at]
		}
		var s Set
		for _, n := range order {
			s.Add(n)
		}
		if got := slices.Collect(s.All); !slices.Equal(got, want) {
			t.Fatalf("%v were added and %v are in the set", order, got)
		}
		if s.Count() != uint64(len(want)) || s.Has(300) {
			t.Fatalf("%d numbers in %v", s.Count(), want)
		}
		for i, n := range want {
			if s.At(uint64(i)) != n || !s.Has(n) {
				t.Fatalf("%d at place %d of %v", s.At(uint64(i)), i, want)
			}
		}
		gaps := 0
		for i := range want {
			if i == 0 || want[i] != want[i-1]+1 {
				gaps++
			}
		}
		if len(s.spans) != gaps {
			t.Fatalf("%d spans for %v", len(s.spans), want)
		}
	}
}
