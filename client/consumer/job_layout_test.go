package consumer

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bulkhead/client/consumer/layout"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestChunksCoverTheFile lays out files of drawn sizes in each pattern.
func TestChunksCoverTheFile(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for i := range 300 {
		spec := drawSpec(random, 512)
		checked, err := newTask(request(t.TempDir(), 1, 1, func(task *bulkheadv1.ConsumerTask) {
			spec.Path = task.Spec.Path
			task.Spec = spec
		}))
		if err != nil {
			t.Fatalf("%v: %v", spec, err)
		}
		l := layout.New(workload.Of(checked.spec), uint64(i), 1)
		for range 3 {
			checkCover(t, l, spec)
		}
	}
}

func checkCover(t *testing.T, l *layout.Layout, spec *bulkheadv1.ConsumerSpec) {
	t.Helper()
	file := l.Begin()
	begins := make(map[uint64]int) // sizes of the chunks, by where they begin
	var before uint64
	for {
		offset, size := l.Next()
		if size == 0 {
			break
		}
		if spec.GetPattern() != bulkheadv1.Pattern_PATTERN_RANDOM && offset != before {
			t.Fatalf("a chunk at %d after one that ends at %d: %v", offset, before, spec)
		}
		before = offset + uint64(size)
		begins[offset] = size
		known := before == file
		for _, s := range workload.Of(spec).Sizes() {
			known = known || uint64(size) == s.Bytes
		}
		if !known {
			t.Fatalf("a chunk of %d bytes at %d of %d: %v", size, offset, file, spec)
		}
	}
	at := uint64(0)
	for range len(begins) {
		at += uint64(begins[at])
	}
	if at != file || file > spec.GetFileSizeBytes() || file < spec.GetMinFileSizeBytes() {
		t.Fatalf("chunks cover %d of %d bytes: %v", at, file, spec)
	}
}

// TestSameSeedSameLayout compares two writers of one seed, and of two.
func TestSameSeedSameLayout(t *testing.T) {
	draw := func(seed uint64, writer int) string {
		checked, err := newTask(request(t.TempDir(), 100, 100_000, func(task *bulkheadv1.ConsumerTask) {
			task.Spec.Pattern = bulkheadv1.Pattern_PATTERN_RANDOM
			task.Spec.MinFileSizeBytes = 50_000
			task.Spec.Data = &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_RANDOM, Seed: seed}
		}))
		if err != nil {
			t.Fatal(err)
		}
		one, two := newJob(checked, nil, newEnding()).layoutSeeds(writer)
		l := layout.New(workload.Of(checked.spec), one, two)
		text := fmt.Sprint(l.Begin())
		for range 10 {
			offset, size := l.Next()
			text += fmt.Sprint(" ", offset, size)
		}
		return text
	}
	first, again, second := draw(7, 0), draw(7, 0), draw(7, 1)
	if first != again {
		t.Error("the same seed gives two layouts")
	}
	if first == draw(8, 0) || first == second {
		t.Error("two seeds, or two writers, give the same layout")
	}
	first, again = draw(0, 0), draw(0, 0)
	if first == again {
		t.Error("without a seed, two writers have the same layout")
	}
}
