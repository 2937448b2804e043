package layout

import (
	"math/rand/v2"
	"testing"
)

func TestPermutationIsABijection(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	sizes := []uint64{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1000, 4096, 65537}
	for range 30 {
		sizes = append(sizes, 1+random.Uint64N(5000))
	}
	for _, n := range sizes {
		p := newPermutation(n, random.Uint64())
		seen := make([]bool, n)
		for i := range n {
			at := p.at(i)
			if at >= n || seen[at] {
				t.Fatalf("of %d: place %d has %d, which is beyond the end or had before", n, i, at)
			}
			seen[at] = true
		}
	}
}

// TestPermutationLooksRandom counts neighbours that stay neighbours: in a random order
// of n there are 2 on average.
func TestPermutationLooksRandom(t *testing.T) {
	const n = 10_000
	for key := range uint64(50) {
		p := newPermutation(n, key)
		neighbours := 0
		for i := range uint64(n - 1) {
			if d := int64(p.at(i+1)) - int64(p.at(i)); d == 1 || d == -1 {
				neighbours++
			}
		}
		if neighbours > 20 {
			t.Errorf("key %d: %d neighbours of %d", key, neighbours, n)
		}
		if other := newPermutation(n, key+1); other.at(0) == p.at(0) && other.at(1) == p.at(1) &&
			other.at(2) == p.at(2) {
			t.Errorf("keys %d and %d begin alike", key, key+1)
		}
	}
}
