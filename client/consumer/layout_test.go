package consumer

import (
	"fmt"
	"math/rand/v2"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
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
		if other := newPermutation(n, key+1); other.at(0) == p.at(0) && other.at(1) == p.at(1) && other.at(2) == p.at(2) {
			t.Errorf("keys %d and %d begin alike", key, key+1)
		}
	}
}

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
		l := newLayout(checked, uint64(i), 1)
		for range 3 {
			checkCover(t, l, spec)
		}
	}
}

func checkCover(t *testing.T, l *layout, spec *bulkheadv1.ConsumerSpec) {
	t.Helper()
	file := l.begin()
	begins := make(map[uint64]int) // sizes of the chunks, by where they begin
	var before uint64
	for {
		offset, size := l.next()
		if size == 0 {
			break
		}
		if spec.GetPattern() != bulkheadv1.Pattern_PATTERN_RANDOM && offset != before {
			t.Fatalf("a chunk at %d after one that ends at %d: %v", offset, before, spec)
		}
		before = offset + uint64(size)
		begins[offset] = size
		known := before == file
		for _, s := range chunkSizesOf(spec) {
			known = known || uint64(size) == s
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

// TestDrawsFollowTheirWeights allows 5 standard deviations.
func TestDrawsFollowTheirWeights(t *testing.T) {
	checked, err := newTask(request(t.TempDir(), 300, 1000, func(task *bulkheadv1.ConsumerTask) {
		task.Spec.ChunkSizes = weights(100, 70, 200, 20, 300, 10)
		task.Spec.MinFileSizeBytes = 901
	}))
	if err != nil {
		t.Fatal(err)
	}
	l := newLayout(checked, 1, 2)
	const n = 10_000
	sizes, files := make(map[int]int), make(map[uint64]int)
	for range n {
		sizes[l.draw()]++
		files[l.begin()]++
	}
	for size, want := range map[int]int{100: 7000, 200: 2000, 300: 1000} {
		if d := sizes[size] - want; d < -230 || d > 230 {
			t.Errorf("%d of %d draws are %d, want about %d", sizes[size], n, size, want)
		}
	}
	if len(files) != 100 || files[901] == 0 || files[1000] == 0 {
		t.Errorf("%d sizes of files from 901 to 1000: %v", len(files), files)
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
		l := newLayout(checked, one, two)
		text := fmt.Sprint(l.begin())
		for range 10 {
			offset, size := l.next()
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
