package block

const (
	// minRing and maxRing are the least and the most blocks of data that a pool has before it
	// repeats: powers of two. Between them it has as many as a chunk. What is read again and
	// again from a processor's own cache, which is 512 KiB on some, costs a write up to a
	// fifth less than what comes from the cache that processors share.
	minRing, maxRing = 64, 1024
	// sharedBlocks is how many shared blocks a consumer has.
	sharedBlocks = 32
	// zerosStride is how many blocks of zeros data have one header.
	zerosStride = 256
	// generationStep moves a file's data in the pool with each generation, so that 2 to 32 of
	// them pass before the same data are in the same place, and by a multiple of 128 KiB, so that
	// chunks of that size do not lie across the end of the pool.
	generationStep = 32
)

// form is how one block is filled.
type form uint8

const (
	formOwn    form = iota // header and stamps of the file
	formShared             // header and stamps of the shared blocks
	formBare               // zeros
)

// ringOf returns how many blocks a pool has of which chunks of up to maxChunk bytes are taken.
func ringOf(kind Kind, maxChunk int) uint64 {
	switch kind {
	case Zeros:
		return zerosStride
	case Dedupable: // its format says which blocks of so many are shared
		return maxRing
	default:
		ring := uint64(minRing)
		for ring < maxRing && ring*Size < uint64(maxChunk) {
			ring *= 2
		}
		return ring
	}
}

// ringStart returns the place in the pool, in blocks, of the file's first block. The blocks of a
// file follow each other in the pool, and the files of one size one another. A smaller pool has
// it at the remainder.
func ringStart(f *File) uint64 {
	if f.Kind == Zeros {
		return 0 // headers are always in the same place, and nothing else is in the pool
	}
	start := f.Number * ((f.Size + Size - 1) / Size)
	if f.Kind != Dedupable { // of which the same blocks are shared in each generation
		start += uint64(f.Generation) * generationStep
	}
	return start % maxRing
}

// shared reports whether the pool's block r is a shared one, and which.
func (d Data) shared(r uint64) (k uint64, yes bool) {
	if d.Kind != Dedupable {
		return 0, false
	}
	before := r * uint64(d.Percent) / 100
	return before % sharedBlocks, (r+1)*uint64(d.Percent)/100 > before
}

// formOf returns the form of the block at offset, which has that length, and for a shared block
// its number. The block is at r in the pool.
func (d Data) formOf(offset uint64, length int, r uint64) (form, uint64) {
	if d.Kind == Zeros && offset/Size%zerosStride != 0 {
		return formBare, 0
	}
	if k, yes := d.shared(r); yes && length == Size {
		return formShared, k
	}
	return formOwn, 0
}

// dataEnd returns where in each block the zeros begin that make it compressible.
func (d Data) dataEnd() int {
	switch d.Kind {
	case Zeros:
		return HeaderSize
	case Compressible:
		zeros := (int(d.Percent)*Size/100 + 8) / 16 * 16
		return max(Size-zeros, HeaderSize)
	default:
		return Size
	}
}

// stampLength returns how many bytes at the beginning of the sector are header or stamp; sector
// is its number within its block.
func (d Data) stampLength(sector int) int {
	switch {
	case sector == 0:
		return HeaderSize
	case sector*sectorSize >= d.dataEnd():
		return 0
	default:
		return stampSize
	}
}
