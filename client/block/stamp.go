package block

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// stampSize is how many bytes of a sector say which one it is, headers apart.
const stampSize = 16

// stamper makes the headers and stamps of one file, or of the shared blocks.
type stamper struct {
	// header is that of a block, with the offset and the seal of none.
	header [HeaderSize]byte
	marks  uint64 // A in the package's comment
	seals  uint64 // B in the package's comment
}

// newStamper returns the stamper of a file's own blocks.
func newStamper(f *File) stamper { return stamperOf(f, f.Number) }

// newSharedStamper returns the stamper of the blocks that the files of f's owner
// share.
func newSharedStamper(f *File) stamper {
	return stamperOf(&File{Owner: f.Owner, Data: f.Data}, sharedNumber)
}

func stamperOf(f *File, number uint64) (s stamper) {
	h := s.header[:]
	binary.LittleEndian.PutUint32(h, magic)
	h[kindAt], h[percentAt] = byte(f.Kind), f.Percent
	putUint48(h[numberAt:], number)
	binary.LittleEndian.PutUint32(h[consumerAt:], f.Consumer)
	copy(h[clientAt:], f.Client[:])
	binary.LittleEndian.PutUint64(h[runAt:], uint64(f.Run))
	binary.LittleEndian.PutUint32(h[generationAt:], f.Generation)
	putUint48(h[sizeAt:], f.Size)
	putUint48(h[offsetAt:], 1<<48-1)
	s.marks = xxhash.Sum64(h[:offsetAt])
	s.seals = xxhash.Sum64(h[:sealAt])
	return s
}

// mark returns the mark of a sector.
func (s *stamper) mark(sector uint64) uint64 { return scramble(s.marks + (sector+1)*goldenGamma) }

// seal returns the seal of the sector that has this mark and a payload of this hash.
func (s *stamper) seal(mark, payload uint64) uint64 { return (mark + s.seals) ^ payload }

// sectorOf returns the sector that has this mark. Any mark is some sector's; one that is not of
// this stamper is, in all likelihood, that of a sector beyond any file.
func (s *stamper) sectorOf(mark uint64) uint64 {
	return (unscramble(mark)-s.marks)*inverseGamma - 1
}

// putHeader writes the header of the block at offset, of which the first sector has a
// payload of this hash.
func (s *stamper) putHeader(to *[HeaderSize]byte, offset, payload uint64) {
	const last = offsetAt - 2 // the word of the offset begins with two bytes of the size
	copy(to[:last], s.header[:last])
	size := uint64(binary.LittleEndian.Uint16(s.header[last:]))
	binary.LittleEndian.PutUint64(to[last:], size|offset<<16)
	binary.LittleEndian.PutUint64(to[sealAt:], s.seal(s.mark(offset/sectorSize), payload))
}

// putStamp writes the stamp of a sector that does not begin a block.
func (s *stamper) putStamp(to *[stampSize]byte, sector, payload uint64) {
	mark := s.mark(sector)
	binary.LittleEndian.PutUint64(to[:], mark)
	binary.LittleEndian.PutUint64(to[8:], s.seal(mark, payload))
}

// putShort writes what stands in the place of a header in a block at offset that is
// shorter than one.
func (s *stamper) putShort(to *[HeaderSize]byte, offset uint64) {
	word := s.seals + offset/Size*(HeaderSize/8)*goldenGamma
	for at := 0; at < HeaderSize; at += 8 {
		word += goldenGamma
		binary.LittleEndian.PutUint64(to[at:], scramble(word))
	}
}

const (
	// goldenGamma is 2⁶⁴ by the golden ratio: odd, so that a counter advanced by it
	// takes every value once before any recurs, and looks random in its upper bits.
	goldenGamma = 0x9e3779b97f4a7c15
	// inverseGamma is its inverse modulo 2⁶⁴.
	inverseGamma = 0xf1de83e19937733d
)

// scramble makes counters look random by a bijection: distinct ones give distinct
// values.
func scramble(z uint64) uint64 {
	z *= 0xff51afd7ed558ccd
	return z ^ z>>33
}

// unscramble undoes scramble.
func unscramble(z uint64) uint64 { return (z ^ z>>33) * 0x4f74430c22a54005 }
