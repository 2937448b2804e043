package portion

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestDivide pins parts that a person can check.
func TestDivide(t *testing.T) {
	for _, c := range []struct {
		total   uint64
		weights []uint64
		want    []uint64
	}{
		{0, []uint64{1, 2}, []uint64{0, 0}},
		{10, nil, []uint64{}},
		{9, []uint64{1, 1, 1}, []uint64{3, 3, 3}},
		{10, []uint64{1, 1, 1}, []uint64{4, 3, 3}},
		{11, []uint64{1, 1, 1}, []uint64{4, 4, 3}},
		{100, []uint64{1, 3}, []uint64{25, 75}},
		{2, []uint64{1, 2}, []uint64{1, 2}},
		{math.MaxUint64, []uint64{1, 1}, []uint64{1<<63 + 0, 1<<63 - 1}},
	} {
		if got := divide(c.total, c.weights); !slices.Equal(got, c.want) {
			t.Errorf("%d divided by %v is %v; want %v", c.total, c.weights, got, c.want)
		}
	}
}

// TestDivideIsWholeAndFair divides rates at random: the parts are the whole, nobody with as many consumers
// as another has more than a unit more, and who has more consumers has not less.
func TestDivideIsWholeAndFair(t *testing.T) {
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 63))
		weights := make([]uint64, 1+random.IntN(40))
		sum := uint64(0)
		for i := range weights {
			weights[i] = 1 + random.Uint64N(256)
			sum += weights[i]
		}
		total := sum + random.Uint64()>>random.IntN(64)
		if total < sum {
			total = math.MaxUint64
		}
		parts := divide(total, weights)
		whole := uint64(0)
		for i := range parts {
			whole += parts[i]
			for k := range parts {
				if weights[i] <= weights[k] && parts[i] > parts[k]+1 {
					t.Errorf("seed %d: %d consumers have %d, and %d have %d", seed, weights[i], parts[i], weights[k],
						parts[k])
				}
			}
		}
		if whole != total {
			t.Errorf("seed %d: the parts of %d are %d together", seed, total, whole)
		}
	}
}

// TestSet goes through the life of a fleet of three.
func TestSet(t *testing.T) {
	s := New(Rate{Bytes: 1200})
	steps := []struct {
		what string
		do   func()
		want string // the parts, if there is something to divide
	}{
		{"nobody", func() {}, ""},
		{"three are expected", func() { s.Expect(Member{"b", 1}); s.Expect(Member{"a", 2}); s.Expect(Member{"c", 1}) },
			"a 600 b 300 c 300"},
		{"they come", func() { s.Join(1, Member{"a", 2}); s.Join(2, Member{"b", 1}); s.Join(3, Member{"c", 1}) }, ""},
		{"one comes back", func() { s.Join(2, Member{"b", 1}) }, ""},
		{"one is lost", func() { s.Out(2, "b") }, "a 800 c 400"},
		{"it is lost again", func() { s.Out(2, "b") }, ""},
		{"one goes and another takes its name", func() { s.Join(4, Member{"c", 1}); s.Out(3, "c") }, ""},
		{"one comes late", func() { s.Join(5, Member{"d", 1}) }, "a 600 c 300 d 300"},
		{"one goes and comes before it is divided", func() { s.Out(5, "d"); s.Join(6, Member{"d", 1}) }, ""},
		{"one comes back with more consumers", func() { s.Join(7, Member{"d", 9}) }, "a 200 c 100 d 900"},
		{"one that has come is not missing", func() { s.Missing("d") }, ""},
		{"one is expected and does not come", func() { s.Expect(Member{"e", 1}); s.Missing("e") }, ""},
		{"all but one have gone", func() { s.Out(1, "a"); s.Out(7, "d") }, "c 1200"},
		{"all have gone", func() { s.Out(4, "c") }, ""},
	}
	for _, step := range steps {
		step.do()
		got := ""
		if s.Due() {
			parts := s.Parts()
			s.Divided(parts)
			for i, p := range parts {
				if i > 0 {
					got += " "
				}
				got += fmt.Sprint(p.Name, " ", p.Bytes)
			}
		}
		if got != step.want {
			t.Errorf("%s: divided as %q; want %q", step.what, got, step.want)
		}
	}
}
