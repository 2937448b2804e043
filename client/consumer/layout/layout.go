// Package layout draws the sizes of files and chunks, and the order in which chunks are written.
package layout

import (
	"math/rand/v2"

	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Layout draws the sizes of one writer's files and chunks, and says where in its file
// each chunk goes. The chunks of a file cover it, without a gap and without an
// overlap. The same seed gives the same sizes and the same order. It allocates
// nothing after it was made.
type Layout struct {
	minFile, maxFile uint64
	chunkSize        int // the largest
	chunkSizes       []workload.WeightedSize
	shuffled         bool // the chunks of a file are in an order that looks random

	random *rand.Rand
	total  uint64 // weight of all chunk sizes; 0 if there is one size

	size  uint64 // of the file
	at    uint64 // in order: where the next chunk begins; at random: its place in the order
	order permutation
}

// New returns the layout of a writer of the consumer c, which has passed its Check.
func New(c workload.Consumer, seed1, seed2 uint64) *Layout {
	l := &Layout{
		minFile: c.SmallestFile(), maxFile: c.FileSize, chunkSize: int(c.ChunkSize), chunkSizes: c.ChunkSizes,
		shuffled: c.Pattern == bulkheadv1.Pattern_PATTERN_RANDOM,
		random:   rand.New(rand.NewPCG(seed1, seed2)),
	}
	if len(l.chunkSizes) > 1 {
		for _, s := range l.chunkSizes {
			l.total += uint64(s.Weight)
		}
	}
	return l
}

// Begin draws the size of the next file, and returns it.
func (l *Layout) Begin() uint64 {
	l.size = l.minFile
	if more := l.maxFile - l.minFile; more > 0 {
		l.size += l.random.Uint64N(more + 1)
	}
	l.at = 0
	if l.shuffled {
		l.order = newPermutation(l.slots(), l.random.Uint64())
	}
	return l.size
}

// Next returns the place and the size of the file's next chunk; a size of 0 says that
// the file is whole.
func (l *Layout) Next() (offset uint64, size int) {
	if l.shuffled {
		if l.at == l.slots() {
			return 0, 0
		}
		offset = l.order.at(l.at) * uint64(l.chunkSize)
		l.at++
		return offset, l.clip(offset, l.chunkSize)
	}
	offset = l.at
	size = l.clip(offset, l.draw())
	l.at += uint64(size)
	return offset, size
}

// slots returns how many chunks of one size the file has.
func (l *Layout) slots() uint64 {
	chunk := uint64(l.chunkSize)
	return (l.size-1)/chunk + 1
}

// clip shortens a chunk that would go beyond the end.
func (l *Layout) clip(offset uint64, size int) int { return int(min(uint64(size), l.size-offset)) }

// draw returns the size of a chunk.
func (l *Layout) draw() int {
	if l.total == 0 {
		return l.chunkSize
	}
	left := l.random.Uint64N(l.total)
	for _, s := range l.chunkSizes {
		weight := uint64(s.Weight)
		if left < weight {
			return int(s.Bytes)
		}
		left -= weight
	}
	return l.chunkSize // not reached: the weights add up to total
}
