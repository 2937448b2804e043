package value

import (
	"fmt"
	"strings"

	"bulkhead/internal/workload"
)

// ChunkSize is the sizes of which one is drawn for each chunk; at least one.
type ChunkSize []WeightedSize

// WeightedSize is one size of several.
type WeightedSize struct {
	Size Size
	// Weight is how often the size is drawn, relative to the others; at least 1.
	Weight int
}

// MaxChunk is the largest chunk.
const MaxChunk Size = workload.MaxChunk

// Largest returns the largest of the sizes.
func (c ChunkSize) Largest() Size {
	var largest Size
	for _, one := range c {
		largest = max(largest, one.Size)
	}
	return largest
}

// String returns c as it is written on one line: "4KiB", or "4KiB:70,128KiB:30".
func (c ChunkSize) String() string { return workload.SizesText(c.Weighted()) }

// Weighted returns c as the rules of a load have it.
func (c ChunkSize) Weighted() []workload.WeightedSize {
	sizes := make([]workload.WeightedSize, len(c))
	for i, one := range c {
		sizes[i] = workload.WeightedSize{Bytes: uint64(one.Size), Weight: uint32(one.Weight)}
	}
	return sizes
}

// ValidChunkSize returns what a ChunkSize can be, in words.
func ValidChunkSize() string {
	return fmt.Sprintf("%s to %s, or several sizes with weights, as in 4KiB:70,128KiB:30", Size(1), MaxChunk)
}

// ParseChunkSize reads chunk sizes that are written on one line.
func ParseChunkSize(text string) (ChunkSize, error) {
	var sizes ChunkSize
	parts := strings.Split(text, ",")
	for _, part := range parts {
		sizeText, weightText, weighted := strings.Cut(part, ":")
		size, err := parseChunk(sizeText)
		if err != nil {
			return nil, err
		}
		weight := 1
		if weighted {
			if weight, err = ParseCount(weightText); err != nil || weight < 1 || weight > workload.MaxWeight {
				return nil, fmt.Errorf("weight %s is not valid; use 1 to %d, as in 4KiB:70,128KiB:30",
					Quote(weightText), workload.MaxWeight)
			}
		}
		sizes = append(sizes, WeightedSize{size, weight})
	}
	return sizes, CheckChunkSize(sizes)
}

func parseChunk(text string) (Size, error) {
	size, err := ParseSize(text)
	if err == nil && (size < 1 || size > MaxChunk) {
		err = fmt.Errorf("%s is out of range; use %s to %s", Quote(text), Size(1), MaxChunk)
	}
	return size, err
}

// CheckChunkSize returns an error for a list that has too many sizes, or one twice.
func CheckChunkSize(sizes ChunkSize) error {
	if len(sizes) > workload.MaxChunkSizes {
		return fmt.Errorf("has %d sizes; use at most %d", len(sizes), workload.MaxChunkSizes)
	}
	seen := make(map[Size]bool)
	for _, one := range sizes {
		if seen[one.Size] {
			return fmt.Errorf("has %s twice; give it once, with the sum of the weights", one.Size)
		}
		seen[one.Size] = true
	}
	return nil
}
