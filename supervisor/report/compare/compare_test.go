package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report/fold"
)

// The last interval's rate is over what there is of it.
func TestComparedRateOfACutInterval(t *testing.T) {
	if got := sideOf(folded.All(t, story.CutShort(t)), false).BytesPerSecond; !slices.Equal(got, []uint64{200, 200}) {
		t.Errorf("rates %v", got)
	}
}

// Of two hundred pairs of runs that are alike, about one in a hundred may differ by chance.
func TestCompareFindsNothingBetweenTheSame(t *testing.T) {
	wrong := 0
	random := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		a, b := make([]float64, 40), make([]float64, 60)
		for _, list := range [][]float64{a, b} {
			last := 0.0
			for i := range list {
				last = 0.5*last + random.NormFloat64() // neighbours are alike
				list[i] = 100 + last
			}
		}
		if welch(a, b) < significantP {
			wrong++
		}
	}
	if wrong > 60 {
		t.Errorf("%d of 2000 alike are told apart, want about 20", wrong)
	}
	if c := Reports(folded.All(t, story.Loaded(t, 1, 500, time.Millisecond)),
		folded.All(t, story.Loaded(t, 9, 500, time.Millisecond))); c.Summary != "no significant difference" {
		t.Errorf("two runs of the same: %s", c.Summary)
	}
}

// Textbook values: samples with a known t and freedom, without neighbours alike.
func TestWelchIsStudents(t *testing.T) {
	// Means 3 and 5, variances 2.5 and 2.5, n 5 each: t = -2, 8 degrees of freedom.
	a, b := []float64{1, 5, 2, 4, 3}, []float64{3, 7, 4, 6, 5}
	if got := welch(a, b); math.Abs(got-0.0805) > 0.0005 {
		t.Errorf("p = %v, want 0.0805", got)
	}
	same := []float64{7, 7, 7, 7, 7}
	if p := welch(same, same); p != 1 {
		t.Errorf("the same without spread: p = %v", p)
	}
	if p := welch(same, []float64{8, 8, 8, 8, 8}); p != 0 {
		t.Errorf("different without spread: p = %v", p)
	}
	if p := welch(same[:4], same); !math.IsNaN(p) {
		t.Errorf("four values: p = %v", p)
	}
}

// Every knob that differs between two runs is pointed out.
func TestCompareNamesEveryKnob(t *testing.T) {
	a, b := folded.All(t, story.Rated(t)), folded.All(t, story.Rated(t))
	w := &b.Clients[0].Workload
	w.RampNano, w.TotalBytes, w.StopWhen = 7, 7, nil
	w.Consumers[0] = fold.ConsumerOf(&bulkheadv1.ConsumerSpec{Path: "/elsewhere", ChunkSizeBytes: 7, FileSizeBytes: 7,
		Concurrency: 9, StartDelayNano: 7, ThinkTimeNano: 7, Direct: true, ReserveInodes: 7})
	named := make(map[string]bool)
	for _, d := range Reports(a, b).Configured {
		named[d.Name] = true
	}
	for _, k := range knobs() {
		if !named[k.name] {
			t.Errorf("%s is not pointed out", k.name)
		}
	}
	for _, name := range []string{"ramp", "ends at", "ends when steady"} {
		if !named[name] {
			t.Errorf("%s is not pointed out", name)
		}
	}
}
