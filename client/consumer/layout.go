package consumer

import "math/rand/v2"

// layout draws the sizes of one writer's files and chunks, and says where in its file
// each chunk goes. The chunks of a file cover it, without a gap and without an
// overlap. The same seed gives the same sizes and the same order. It allocates
// nothing after it was made.
type layout struct {
	task   *task
	source *rand.PCG
	random *rand.Rand
	total  uint64 // weight of all chunk sizes; 0 if there is one size

	size  uint64 // of the file
	at    uint64 // in order: where the next chunk begins; at random: its place in the order
	order permutation
}

func newLayout(t *task, seed1, seed2 uint64) *layout {
	source := rand.NewPCG(seed1, seed2)
	l := &layout{task: t, source: source, random: rand.New(source)}
	if len(t.chunkSizes) > 1 {
		for _, s := range t.chunkSizes {
			l.total += uint64(s.GetWeight())
		}
	}
	return l
}

// begin draws the size of the next file, and returns it.
func (l *layout) begin() uint64 {
	l.size = l.task.minFile
	if more := l.task.maxFile - l.task.minFile; more > 0 {
		l.size += l.random.Uint64N(more + 1)
	}
	l.at = 0
	if l.task.random {
		l.order = newPermutation(l.slots(), l.random.Uint64())
	}
	return l.size
}

// next returns the place and the size of the file's next chunk; a size of 0 says that
// the file is whole.
func (l *layout) next() (offset uint64, size int) {
	if l.task.random {
		if l.at == l.slots() {
			return 0, 0
		}
		offset = l.order.at(l.at) * uint64(l.task.chunkSize)
		l.at++
		return offset, l.clip(offset, l.task.chunkSize)
	}
	offset = l.at
	size = l.clip(offset, l.draw())
	l.at += uint64(size)
	return offset, size
}

// slots is how many chunks of one size the file has.
func (l *layout) slots() uint64 {
	chunk := uint64(l.task.chunkSize)
	return (l.size-1)/chunk + 1
}

// clip shortens a chunk that would go beyond the end.
func (l *layout) clip(offset uint64, size int) int { return int(min(uint64(size), l.size-offset)) }

// draw returns the size of a chunk.
func (l *layout) draw() int {
	if l.total == 0 {
		return l.task.chunkSize
	}
	left := l.random.Uint64N(l.total)
	for _, s := range l.task.chunkSizes {
		weight := uint64(s.GetWeight())
		if left < weight {
			return int(s.GetSizeBytes())
		}
		left -= weight
	}
	return l.task.chunkSize // not reached: the weights add up to total
}
