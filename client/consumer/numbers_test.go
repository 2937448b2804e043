package consumer

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
		var s numbers
		for _, n := range order {
			s.add(n)
		}
		if got := slices.Collect(s.all); !slices.Equal(got, want) {
			t.Fatalf("%v were added and %v are in the set", order, got)
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

// TestFilesThatAllStayTakeNoMemory: of a million files, finished by writers in turn, nothing
// grows, and all of them are removed in the end.
func TestFilesThatAllStayTakeNoMemory(t *testing.T) {
	const files, writers = 1 << 20, 16
	r := newRotation(0, false)
	var current []turn
	for range writers {
		current = append(current, newFile(t, r))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	one := func() {
		w := rng.IntN(writers)
		r.finish(current[w])
		current[w] = newFile(t, r)
	}
	for range files / 2 {
		one()
	}
	grown := testing.AllocsPerRun(1, func() {
		for range files / 4 {
			one()
		}
	})
	if held := len(r.finished) + len(r.numbered.spans); held > 100*writers {
		t.Errorf("%d files are held in %d places", files, held)
	}
	if grown > files/400 {
		t.Errorf("%v allocations for %d files", grown, files/4)
	}
	left := 0
	for range r.all {
		left++
	}
	if left != files+writers {
		t.Errorf("%d files are there; want %d", left, files+writers)
	}
}

func newFile(t *testing.T, r *rotation) turn {
	t.Helper()
	next, ok := r.next(nil)
	if !ok {
		t.Fatal("there is no next file")
	}
	r.begin(next)
	return next
}
