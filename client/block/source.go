package block

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"
)

// Source is where a writer's data come from: a pool of random bytes made once, of
// which each chunk is a window. Making data afresh would cost more than writing them;
// instead only the headers and stamps in the window are written. The pool is a ring
// of the size of the largest chunk, 256 KiB to 4 MiB, followed by its own beginning for as long
// as a chunk may be; a file's blocks follow each other in it.
//
// What this promises of random data:
//
//   - No two whole sectors are equal, in any files of any consumers (but by a chance of
//     2⁻¹²⁸, and if their payloads are equal as well).
//   - Between headers and stamps, 496 bytes recur, but not within the size of the pool in a
//     file, nor in new files of one size that are written one after another. Files of
//     different sizes, and the next generation of one, begin elsewhere in the pool; in the
//     smallest pool every other generation has the same bytes in the same place.
//
// So de-duplication of blocks finds nothing, nor does a compressor that looks back over less
// than the pool: gzip (32 KiB), lz4 (64 KiB), and file systems and arrays, which by default
// compress 8 to 128 KiB at a time. With zstd (-3: 2 MiB) and larger records, it takes chunks at
// least as large; no pool is larger than 4 MiB. The size is a compromise: what a larger
// pool costs is said at minRing.
//
// A Source is not safe for concurrent use: each writer has its own.
type Source struct {
	memory   []byte   // page-aligned; the ring, and again from its beginning
	ring     uint64   // blocks
	hashes   []uint64 // of the payload of each sector of the ring, if it is whole
	data     Data
	maxChunk int

	file   File // that the chunks are of; zero before Begin
	own    stamper
	shared stamper
	start  uint64 // place of the file's first block in the largest ring, in blocks
}

// NewSource prepares chunks of up to maxChunk bytes. Sources of the same seed and data, and of
// pools of the same size, make the same files; seed 0 is a random one. It takes the memory of the
// pool and of a chunk, in multiples of 2 MiB, and about 1 ms for each MiB of the pool. The
// caller must close it.
func NewSource(data Data, seed uint64, maxChunk int) (*Source, error) {
	if err := data.Validate(); err != nil {
		return nil, err
	}
	if maxChunk < 1 {
		return nil, fmt.Errorf("chunks of at most %d B: a chunk has at least 1 B", maxChunk)
	}
	ring := ringOf(data.Kind, maxChunk)
	size := int(ring)*Size + roundUp(maxChunk, Size)
	memory, err := mapMemory(size)
	if err != nil {
		return nil, err
	}
	s := &Source{memory: memory, ring: ring, hashes: make([]uint64, ring*sectorsPerBlock), data: data, maxChunk: maxChunk}
	s.fill(seed, size)
	return s, nil
}

// Begin says which file the chunks are of from now on. It returns an error if there can
// be no such file, or if its data are not the Source's.
func (s *Source) Begin(f File) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f.Data != s.data {
		return fmt.Errorf("a file of %v data, %d percent, from a source of %v data, %d percent", f.Kind, f.Percent, s.data.Kind, s.data.Percent)
	}
	s.file, s.own, s.shared, s.start = f, newStamper(&f), newSharedStamper(&f), ringStart(&f)
	return nil
}

// Chunk returns the bytes of the file from offset on. They are valid until the
// next call. Their address is as far behind a multiple of 4096 as offset, so they fit
// direct I/O wherever offset does. size is 1 to the maxChunk of NewSource, and the
// chunk ends within the file; anything else is a mistake of the caller, and panics.
func (s *Source) Chunk(offset uint64, size int) []byte {
	if size < 1 || size > s.maxChunk || offset >= s.file.Size || uint64(size) > s.file.Size-offset {
		panic(fmt.Sprintf("block: a chunk of %d bytes at %d of a file of %d, of at most %d", size, offset, s.file.Size, s.maxChunk))
	}
	r := (s.start + offset/Size) % s.ring
	begin := int(r*Size + offset%Size)
	end := begin + size
	block := offset / Size * Size
	for at := int(r) * Size; at < end; at += Size {
		memory := s.memory[at : at+Size : at+Size]
		hashes := s.hashes[r*sectorsPerBlock : (r+1)*sectorsPerBlock : (r+1)*sectorsPerBlock]
		if s.data.Kind == Random && at >= begin && at+Size <= end {
			s.own.stampWhole((*[Size]byte)(memory), (*[sectorsPerBlock]uint64)(hashes), block)
		} else {
			s.stampPart(memory, hashes, block, r, max(begin-at, 0), min(end-at, Size))
		}
		block += Size
		if r++; r == s.ring {
			r = 0
		}
	}
	return s.memory[begin:end:end]
}

// Close gives the memory back. No chunk may be in use any more.
func (s *Source) Close() error {
	if s.memory == nil {
		return errors.New("closing a data source: it is closed already")
	}
	if err := unmapMemory(s.memory); err != nil {
		return fmt.Errorf("closing a data source: %w", err)
	}
	s.memory = nil
	return nil
}

// stampWhole writes the header and the stamps of a whole block without zeros.
func (s *stamper) stampWhole(block *[Size]byte, hashes *[sectorsPerBlock]uint64, offset uint64) {
	s.putHeader((*[HeaderSize]byte)(block[:]), offset, hashes[0])
	next := offset/sectorSize + 1
	s.putStamp((*[stampSize]byte)(block[1*sectorSize:]), next, hashes[1])
	s.putStamp((*[stampSize]byte)(block[2*sectorSize:]), next+1, hashes[2])
	s.putStamp((*[stampSize]byte)(block[3*sectorSize:]), next+2, hashes[3])
	s.putStamp((*[stampSize]byte)(block[4*sectorSize:]), next+3, hashes[4])
	s.putStamp((*[stampSize]byte)(block[5*sectorSize:]), next+4, hashes[5])
	s.putStamp((*[stampSize]byte)(block[6*sectorSize:]), next+5, hashes[6])
	s.putStamp((*[stampSize]byte)(block[7*sectorSize:]), next+6, hashes[7])
}

// stampPart writes the headers and stamps of the sectors that have a byte from begin
// to end of the block at offset, which is at r in the ring.
func (s *Source) stampPart(block []byte, hashes []uint64, offset, r uint64, begin, end int) {
	length := int(min(s.file.Size-offset, Size))
	form, k := s.data.formOf(offset, length, r)
	by, place := &s.own, offset
	switch form {
	case formBare:
		return
	case formShared:
		by, place = &s.shared, k*Size
	}
	if length < HeaderSize {
		by.putShort((*[HeaderSize]byte)(block), place)
		return
	}
	for sector := begin / sectorSize; sector*sectorSize < end; sector++ {
		from, to := sector*sectorSize, min((sector+1)*sectorSize, length)
		stamped := s.data.stampLength(sector)
		hash := hashes[sector]
		if to-from < sectorSize {
			hash = xxhash.Sum64(block[min(from+stamped, to):to])
		}
		switch stamped {
		case HeaderSize:
			by.putHeader((*[HeaderSize]byte)(block), place, hash)
		case stampSize:
			by.putStamp((*[stampSize]byte)(block[from:]), place/sectorSize+uint64(sector), hash)
		}
	}
}

// fill makes the data: the ring, its repetition up to end, and the hashes of its payloads.
func (s *Source) fill(seed uint64, end int) {
	ring := s.memory[:s.ring*Size]
	if s.data.Kind != Zeros {
		var key [32]byte
		if seed == 0 {
			cryptorand.Read(key[:]) // never fails
		} else {
			binary.LittleEndian.PutUint64(key[:], seed)
		}
		rand.NewChaCha8(key).Read(ring)
	}
	var canon [sharedBlocks][]byte
	for r := range s.ring {
		block := ring[r*Size : (r+1)*Size]
		clear(block[s.data.dataEnd():])
		if k, yes := s.data.shared(r); !yes {
		} else if canon[k] == nil {
			canon[k] = block
		} else {
			copy(block, canon[k])
		}
		for sector := range sectorsPerBlock {
			payload := block[sector*sectorSize+s.data.stampLength(sector) : (sector+1)*sectorSize]
			s.hashes[r*sectorsPerBlock+uint64(sector)] = xxhash.Sum64(payload)
		}
	}
	if s.data.Kind == Zeros {
		return // and the rest is zeros, too
	}
	for rest := s.memory[len(ring):end]; len(rest) > 0; {
		rest = rest[copy(rest, ring):]
	}
}

// roundUp returns the least multiple of unit, a power of two, not below n.
func roundUp(n, unit int) int { return (n + unit - 1) &^ (unit - 1) }
