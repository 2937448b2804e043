package config

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// ChunkSize is the sizes of which one is drawn for each chunk; at least one.
type ChunkSize []WeightedSize

// WeightedSize is one size of several.
type WeightedSize struct {
	Size Size
	// Weight is how often the size is drawn, relative to the others; at least 1.
	Weight int
}

const (
	// maxChunkSizes bounds the sizes of one consumer's chunks.
	maxChunkSizes = 64
	// maxWeight bounds the weight of one of them.
	maxWeight = 1_000_000
	// maxChunk is the largest chunk; it is held in memory.
	maxChunk = GiB
)

// Largest is the largest of the sizes.
func (c ChunkSize) Largest() Size {
	var largest Size
	for _, one := range c {
		largest = max(largest, one.Size)
	}
	return largest
}

// mean is the mean of the sizes that are drawn, in bytes.
func (c ChunkSize) mean() float64 {
	var bytes, weight float64
	for _, one := range c {
		bytes += float64(one.Size) * float64(one.Weight)
		weight += float64(one.Weight)
	}
	return bytes / weight
}

// String is c as it is written on one line: "4KiB", or "4KiB:70,128KiB:30".
func (c ChunkSize) String() string {
	if len(c) == 1 {
		return c[0].Size.String()
	}
	parts := make([]string, len(c))
	for i, one := range c {
		parts[i] = fmt.Sprintf("%s:%d", one.Size, one.Weight)
	}
	return strings.Join(parts, ",")
}

// chunkSizeField declares the sizes of chunks: one size, or in YAML a list of
// {size, weight}, elsewhere "4KiB:70,128KiB:30".
func chunkSizeField(name string, dst *ChunkSize, def Size, help string) field {
	key := Key{
		Name: name, Kind: "size", Default: def.String(), Help: help,
		Valid: fmt.Sprintf("%s to %s, or several sizes with weights, as in 4KiB:70,128KiB:30", Size(1), maxChunk),
	}
	return composite(key, dst, ChunkSize{{def, 1}}, yaml.SequenceNode, parseChunkSize, readChunkSize)
}

// parseChunkSize reads chunk sizes that are written on one line.
func parseChunkSize(text string) (ChunkSize, error) {
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
			if weight, err = parseCount(weightText); err != nil || weight < 1 || weight > maxWeight {
				return nil, fmt.Errorf("weight %s is not valid; use 1 to %d, as in 4KiB:70,128KiB:30", quote(weightText), maxWeight)
			}
		}
		sizes = append(sizes, WeightedSize{size, weight})
	}
	return sizes, checkChunkSize(sizes)
}

func parseChunk(text string) (Size, error) {
	size, err := parseSize(text)
	if err == nil && (size < 1 || size > maxChunk) {
		err = fmt.Errorf("%s is out of range; use %s to %s", quote(text), Size(1), maxChunk)
	}
	return size, err
}

// checkChunkSize returns an error for a list that has too many sizes, or one twice.
func checkChunkSize(sizes ChunkSize) error {
	if len(sizes) > maxChunkSizes {
		return fmt.Errorf("has %d sizes; use at most %d", len(sizes), maxChunkSizes)
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

// readChunkSize reads the list of a file.
func readChunkSize(l *loader, e entry) (ChunkSize, bool) {
	var sizes ChunkSize
	before := l.found()
	l.items(e, "a list of sizes, as in [{size: 4KiB, weight: 70}]", func(item entry) {
		sizes = append(sizes, readWeightedSize(l, item))
	})
	if l.found() > before {
		return nil, false
	}
	err := checkChunkSize(sizes)
	if len(sizes) == 0 {
		err = errors.New("is an empty list; give a size, or sizes as in [{size: 4KiB, weight: 70}]")
	}
	if err != nil {
		l.problem(l.at(e), e.path, err.Error())
	}
	return sizes, err == nil
}

// readWeightedSize reads one entry of the list.
func readWeightedSize(l *loader, item entry) WeightedSize {
	one := WeightedSize{Weight: 1}
	before := l.found()
	l.section(item, "", []field{
		sizeField("size", &one.Size, 0, 1, maxChunk, ""),
		countField("weight", &one.Weight, 1, 1, maxWeight, ""),
	})
	if one.Size == 0 && l.found() == before {
		l.problem(l.at(item), item.path, "has no size; give one, as in {size: 4KiB, weight: 70}")
	}
	return one
}
