package block

import (
	"errors"
	"fmt"
)

// Sources are where the writers of a consumer have their data from: a Source each, all in one
// mapping. They are made in one of two ways:
//
//   - In place: each has a pool of its own, and its chunks are windows of that. Nothing is
//     copied. It takes the pool and a chunk for each writer.
//   - Copied: all share a pool, and each puts its chunks together in memory of its own. It takes
//     one pool, and a chunk and a block for each writer.
//
// Copying is for several writers whose chunks are small beside a pool: their data are then in
// proportion to what they write at once, and what is copied comes from a processor's own cache.
// With chunks of a quarter of a pool or more, in place takes at most five times the chunks.
//
// The bytes of a file are the same either way, for the same seed. Without one, in-place
// sources have pools of random bytes of their own; writers with copied ones have the same, as
// those of the same seed do. What Source promises of files of one writer then goes for the files
// of all of them, in the order of their numbers.
type Sources struct {
	each   []*Source
	memory []byte
}

// NewSources prepares n writers, at least one, and chunks of up to maxChunk bytes. Sources of the
// same seed and data, and of pools of the same size, make the same files; seed 0 is a random one.
// It takes the Memory that it says, and about 1 ms for each MiB of a pool. The caller must
// close it.
func NewSources(data Data, seed uint64, maxChunk, n int) (*Sources, error) {
	if err := data.Validate(); err != nil {
		return nil, err
	}
	if maxChunk < 1 {
		return nil, fmt.Errorf("chunks of at most %d B: a chunk has at least 1 B", maxChunk)
	}
	if n < 1 {
		return nil, fmt.Errorf("data for %d writers: there is at least 1", n)
	}
	return newSources(data, seed, maxChunk, layOut(data.Kind, maxChunk, n))
}

func newSources(data Data, seed uint64, maxChunk int, l plot) (*Sources, error) {
	memory, err := mapMemory(l.size())
	if err != nil {
		return nil, err
	}
	s := &Sources{memory: memory}
	var first *pool
	for i := range l.n {
		source := &Source{maxChunk: maxChunk}
		part := memory[l.pools+i*l.each:][:l.each:l.each]
		switch {
		case l.pools > 0:
			if first == nil {
				first = newPool(data, seed, l.ring, memory[:l.pools:l.pools])
			}
			source.pool, source.window = first, part
		case first != nil && seed != 0:
			source.pool = first.again(part)
		default:
			first = newPool(data, seed, l.ring, part)
			source.pool = first
		}
		s.each = append(s.each, source)
	}
	return s, nil
}

// Source returns the source of a writer, 0 to n-1. It is closed with the others.
func (s *Sources) Source(writer int) *Source { return s.each[writer] }

// Close gives the memory back. No chunk may be in use.
func (s *Sources) Close() error {
	if s.memory == nil {
		return errors.New("closing data sources: they are closed already")
	}
	if err := unmapMemory(s.memory); err != nil {
		return fmt.Errorf("closing data sources: %w", err)
	}
	s.memory = nil
	return nil
}

// Memory returns how many bytes NewSources takes for n writers with chunks of up to maxChunk
// bytes, in multiples of 2 MiB, the hashes of the data among them.
func Memory(kind Kind, maxChunk, n int) uint64 {
	l := layOut(kind, maxChunk, n)
	pools := uint64(1)
	if l.pools == 0 {
		pools = uint64(n)
	}
	return uint64(roundUp(l.size(), largePage)) + pools*l.ring*sectorsPerBlock*8
}

// plot is how the memory of Sources is divided.
type plot struct {
	ring  uint64 // of each pool, in blocks
	pools int    // bytes of the pool that all share; 0 if each writer has its own
	n     int
	each  int // bytes for each writer: its pool and a chunk, or a window
}

func (p plot) size() int { return p.pools + p.n*p.each }

// layOut divides the memory for n writers with chunks of up to maxChunk bytes. Each has a pool
// of its own if chunks are at least a quarter of it, or if all fit a large page, of which the
// mapping takes at least one.
func layOut(kind Kind, maxChunk, n int) plot {
	pool := int(ringOf(kind, maxChunk)) * Size
	if p := inPlace(kind, maxChunk, n); n == 1 || maxChunk >= pool/4 || p.size() <= largePage {
		return p
	}
	return copied(kind, maxChunk, n)
}

func inPlace(kind Kind, maxChunk, n int) plot {
	ring := ringOf(kind, maxChunk)
	return plot{ring: ring, n: n, each: int(ring)*Size + roundUp(maxChunk, Size)}
}

func copied(kind Kind, maxChunk, n int) plot {
	ring := ringOf(kind, maxChunk)
	const before = Size - 1 // a chunk may begin at any byte of a block
	return plot{ring: ring, pools: int(ring) * Size, n: n, each: roundUp(before+maxChunk, Size)}
}

// roundUp returns the least multiple of unit, a power of two, not below n.
func roundUp(n, unit int) int { return (n + unit - 1) &^ (unit - 1) }
