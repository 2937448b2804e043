package layout

import (
	"testing"

	"bulkhead/internal/workload"
)

// TestDrawsFollowTheirWeights allows 5 standard deviations.
func TestDrawsFollowTheirWeights(t *testing.T) {
	l := New(workload.Consumer{
		ChunkSize: 300, ChunkSizes: []workload.WeightedSize{{Bytes: 100, Weight: 70}, {Bytes: 200, Weight: 20},
			{Bytes: 300, Weight: 10}}, MinFileSize: 901, FileSize: 1000,
	}, 1, 2)
	const n = 10_000
	sizes, files := make(map[int]int), make(map[uint64]int)
	for range n {
		sizes[l.draw()]++
		files[l.Begin()]++
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
