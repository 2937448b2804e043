package block

import (
	"fmt"

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
// The writers of a consumer may share one pool, see NewSources; what follows from that is
// said there.
//
// A Source is not safe for concurrent use: each writer has its own.
type Source struct {
	pool     *pool
	window   []byte // page-aligned, what chunks are put together in; nil if that is the pool
	maxChunk int

	file   File // that the chunks are of; zero before Begin
	own    stamper
	shared stamper
	start  uint64 // place of the file's first block in the largest ring, in blocks
}

// Begin sets the file that the chunks are of from now on. It returns an error if there can
// be no such file, or if its data are not the Source's.
func (s *Source) Begin(f File) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if d := s.pool.data; f.Data != d {
		return fmt.Errorf("a file of %v data, %d percent, from a source of %v data, %d percent", f.Kind, f.Percent,
			d.Kind, d.Percent)
	}
	s.file, s.own, s.shared, s.start = f, newStamper(&f), newSharedStamper(&f), ringStart(&f)
	return nil
}

// Chunk returns the bytes of the file from offset on. They are valid until the
// next call. Their address is as far behind a multiple of 4096 as offset, so they fit
// direct I/O wherever offset does. size is 1 to the maxChunk of NewSources, and the
// chunk ends within the file; anything else is a mistake of the caller, and panics.
func (s *Source) Chunk(offset uint64, size int) []byte {
	if size < 1 || size > s.maxChunk || offset >= s.file.Size || uint64(size) > s.file.Size-offset {
		panic(fmt.Sprintf("block: a chunk of %d bytes at %d of a file of %d, of at most %d", size, offset, s.file.Size,
			s.maxChunk))
	}
	p := s.pool
	r := (s.start + offset/Size) % p.ring
	memory, at := p.memory, int(r)*Size
	if s.window != nil {
		memory, at = s.window, 0
	}
	begin := at + int(offset%Size)
	end := begin + size
	block := offset / Size * Size
	for ; at < end; at += Size {
		part := memory[at : at+Size : at+Size]
		switch {
		case s.window == nil:
		case p.data.Kind == Zeros:
			clear(part[:HeaderSize]) // nothing else was ever in it
		default:
			copy(part, p.memory[r*Size:(r+1)*Size])
		}
		hashes := p.hashes[r*sectorsPerBlock : (r+1)*sectorsPerBlock : (r+1)*sectorsPerBlock]
		if p.data.Kind == Random && at >= begin && at+Size <= end {
			s.own.stampWhole((*[Size]byte)(part), (*[sectorsPerBlock]uint64)(hashes), block)
		} else {
			s.stampPart(part, hashes, block, r, max(begin-at, 0), min(end-at, Size))
		}
		block += Size
		if r++; r == p.ring {
			r = 0
		}
	}
	return memory[begin:end:end]
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
	data := &s.pool.data
	form, k := data.formOf(offset, length, r)
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
		stamped := data.stampLength(sector)
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
