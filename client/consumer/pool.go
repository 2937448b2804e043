package consumer

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

const (
	// pageSize aligns the windows of chunks of a page and more; it also
	// satisfies the alignment that direct I/O asks for.
	pageSize = 4096
	// sectorSize is the unit in which data never repeats.
	sectorSize = 512
	// stampSize is how much of each sector is new in each chunk.
	stampSize = 16
	// poolBase is how much random data lies between two uses of the same part
	// of the pool. The pool is this and one chunk long.
	poolBase = 4 << 20
)

// pool is where a consumer's data comes from: random bytes made once, of which
// each chunk is a window at a moving offset. Making data afresh would cost more
// than writing it; instead the first 16 bytes of every 512-byte sector of a
// window are overwritten with a stamp that never recurs.
//
// What this promises of the data written:
//
//   - No two whole sectors are equal, in any files of any consumers. For chunk
//     sizes that are not a multiple of 512 this holds for the blocks a storage
//     device sees as well, because each of them contains 16 bytes of stamps.
//   - Between stamps, 496 bytes recur, but not within poolBase bytes for chunks
//     that are a multiple of 4 KiB, and not within half of that for any chunk
//     of 512 bytes or more.
//
// So de-duplication of blocks finds nothing, nor does a compressor with a window
// of up to 2 MiB (gzip: 32 KiB; zstd -3: 2 MiB; file systems and arrays: 8 KiB
// to 1 MiB). One that looks further back does. The size is a compromise; measured
// with chunks of 1 MiB (64 MiB compressed to a share of their size; MB/s on a
// machine with 1 MiB of L2 for each core and 32 MiB of shared L3, each the best
// of four files of 256 MiB; differences below a tenth are noise):
//
//	pool     gzip -9  zstd -3  zstd -9  zstd -19  tmpfs  ext4 buffered  stamps
//	 2 MiB   1.000    1.000    0.109              2865   5407           4 µs a chunk
//	 5 MiB   1.000    1.000    1.000    0.109     2812   5601           4 to 5 µs
//	 9 MiB   1.000    1.000    1.000    1.000     2669   4300           8 to 12 µs
//	17 MiB   1.000    1.000    1.000    1.000     2641   4440           11 to 13 µs
//
// A chunk's write takes 180 to 350 µs there. Larger pools fall out of the cache,
// and every consumer of a machine has one of its own.
//
// A pool is not safe for concurrent use.
type pool struct {
	memory  []byte // page-aligned; poolBase and one chunk, in whole pages
	align   int    // windows begin at multiples of this
	cursor  int    // where the next window begins
	counter uint64 // state of the stamps; a new value for each sector
	key     uint64 // tells the stamps of one consumer from another's
}

// newPool prepares a pool for chunks of up to chunkSize bytes. It takes about
// 1 ms for each MiB of poolBase and the chunk. The caller must close it.
func newPool(chunkSize int) (*pool, error) {
	memory, err := mapMemory(poolBase + roundUp(chunkSize, pageSize))
	if err != nil {
		return nil, err
	}
	var seed [32 + 16]byte
	cryptorand.Read(seed[:])
	source := rand.NewChaCha8([32]byte(seed[:32]))
	source.Read(memory)
	p := &pool{
		memory:  memory,
		align:   pageSize,
		counter: binary.LittleEndian.Uint64(seed[32:]),
		key:     binary.LittleEndian.Uint64(seed[40:]),
	}
	if chunkSize < pageSize {
		p.align = sectorSize
	}
	return p, nil
}

// next returns size bytes to write, at most the chunk size given to newPool.
// They are valid until the following call.
func (p *pool) next(size int) []byte {
	if p.cursor+size > len(p.memory) {
		p.cursor = 0
	}
	window := p.memory[p.cursor : p.cursor+size]
	p.cursor += roundUp(size, p.align)
	p.stamp(window)
	return window
}

// stamp makes each sector of window unlike any before.
func (p *pool) stamp(window []byte) {
	counter := p.counter
	at := 0
	for ; at+stampSize <= len(window); at += sectorSize {
		counter += goldenGamma
		first := mix(counter)
		sector := window[at : at+stampSize : at+stampSize]
		binary.LittleEndian.PutUint64(sector, first)
		binary.LittleEndian.PutUint64(sector[8:], scramble(first^p.key))
	}
	if at < len(window) { // a last sector shorter than a stamp
		counter += goldenGamma
		var short [stampSize]byte
		first := mix(counter)
		binary.LittleEndian.PutUint64(short[:], first)
		binary.LittleEndian.PutUint64(short[8:], scramble(first^p.key))
		copy(window[at:], short[:])
	}
	p.counter = counter
}

// close gives the memory back. No window may be in use any more.
func (p *pool) close() error {
	if err := unmapMemory(p.memory); err != nil {
		return fmt.Errorf("closing the data pool: %w", err)
	}
	p.memory = nil
	return nil
}

// goldenGamma is the step of SplitMix64: odd, so that a counter advanced by it
// takes every value once before any recurs.
const goldenGamma = 0x9e3779b97f4a7c15

// mix is the output function of SplitMix64, a bijection: distinct counters give
// distinct, random-looking values.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// scramble is a cheaper bijection, for values that look random already.
func scramble(z uint64) uint64 {
	z *= 0xff51afd7ed558ccd
	return z ^ z>>33
}

// roundUp returns the least multiple of unit, a power of two, not below n.
func roundUp(n, unit int) int { return (n + unit - 1) &^ (unit - 1) }
