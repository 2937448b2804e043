package block

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Checker checks what is read of one file. It is not safe for concurrent use.
type Checker struct {
	// Unproven counts the bytes of which the data were cut off in mid-sector, so
	// that the seal could not be checked.
	Unproven uint64

	file   File
	own    stamper
	shared stamper
	start  uint64 // place of the file's first block in the largest ring, in blocks
}

// NewChecker checks for that file. It returns an error if there can be no such file.
func NewChecker(f File) (*Checker, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	return &Checker{file: f, own: newStamper(&f), shared: newSharedStamper(&f), start: ringStart(&f)}, nil
}

// File returns the file that is checked for.
func (c *Checker) File() File { return c.file }

// expected is what a block should be.
type expected struct {
	offset uint64   // of the block in the file
	length int      // 1 to Size
	form   form     //
	by     *stamper // that made its header and stamps
	place  uint64   // that they are made for: offset, or that of a shared block
	data   Data
}

// expect returns what the block at offset should be. The file has one there.
func (c *Checker) expect(offset uint64) expected {
	r := (c.start + offset/Size) % maxRing
	e := expected{offset: offset, length: int(min(c.file.Size-offset, Size)), by: &c.own, place: offset,
		data: c.file.Data}
	form, k := c.file.formOf(offset, e.length, r)
	e.form = form
	if form == formShared {
		e.by, e.place = &c.shared, k*Size
	}
	return e
}

// Check checks data, which were read from the file at offset, a multiple of 4096, and
// adds what is wrong to faults. The data may end anywhere: in a block that is cut
// off, the sectors that are whole are checked, and of the last one what can be. Data
// behind the end that the file is to have are a fault. Sound data cost no allocation.
func (c *Checker) Check(faults []Fault, offset uint64, data []byte) []Fault {
	if offset%Size != 0 {
		panic(fmt.Sprintf("block: checking from %d, which is not the beginning of a block", offset))
	}
	for len(data) > 0 {
		block := data[:min(len(data), Size)]
		data = data[len(block):]
		switch {
		case offset >= c.file.Size:
			faults = add(faults, c.excess(offset, block))
		case uint64(len(block)) > c.file.Size-offset:
			rest := block[c.file.Size-offset:]
			faults = c.checkBlock(faults, offset, block[:len(block)-len(rest)])
			faults = add(faults, c.excess(c.file.Size, rest))
		default:
			faults = c.checkBlock(faults, offset, block)
		}
		offset += uint64(len(block))
	}
	return faults
}

func (c *Checker) checkBlock(faults []Fault, offset uint64, block []byte) []Fault {
	e := c.expect(offset)
	sound, unproven := e.sound(block)
	if !sound {
		return add(faults, c.diagnose(&e, block))
	}
	c.Unproven += uint64(unproven)
	return faults
}

// sound reports whether block, which may be cut off, is what is expected, and how many of
// its bytes it could not tell that of.
func (e *expected) sound(block []byte) (sound bool, unproven int) {
	switch {
	case e.form == formBare:
		return isZero(block), 0
	case e.length < HeaderSize:
		var short [HeaderSize]byte
		e.by.putShort(&short, e.place)
		return bytes.Equal(block, short[:len(block)]), 0
	}
	for sector := 0; sector*sectorSize < len(block); sector++ {
		from := sector * sectorSize
		ok, rest := e.sectorSound(sector, block[from:min(from+sectorSize, len(block))])
		if !ok {
			return false, 0
		}
		unproven += rest
	}
	return true, unproven
}

// sectorSound does what sound does, for one sector of a block that has a header.
func (e *expected) sectorSound(sector int, data []byte) (sound bool, unproven int) {
	whole := min(sectorSize, e.length-sector*sectorSize)
	stamped := e.data.stampLength(sector)
	switch {
	case stamped == 0:
		return isZero(data), 0
	case len(data) < whole: // cut off
		var stamp [HeaderSize]byte
		e.putStamp(&stamp, sector, 0)
		known := min(len(data), stamped-8) // without the seal
		return bytes.Equal(data[:known], stamp[:known]), len(data) - known
	case whole < stamped:
		var stamp [HeaderSize]byte
		e.putStamp(&stamp, sector, xxhash.Sum64(nil))
		return bytes.Equal(data, stamp[:whole]), 0
	}
	mark := e.by.mark(e.place/sectorSize + uint64(sector))
	if stamped == HeaderSize {
		if !e.by.isHeader(data, e.place) {
			return false, 0
		}
	} else if binary.LittleEndian.Uint64(data) != mark {
		return false, 0
	}
	return binary.LittleEndian.Uint64(data[stamped-8:]) == e.by.seal(mark, xxhash.Sum64(data[stamped:])), 0
}

// putStamp writes the header or stamp of a sector of the block with a payload of
// this hash.
func (e *expected) putStamp(to *[HeaderSize]byte, sector int, payload uint64) {
	if sector == 0 {
		e.by.putHeader(to, e.place, payload)
		return
	}
	e.by.putStamp((*[stampSize]byte)(to[:]), e.place/sectorSize+uint64(sector), payload)
}

// isHeader reports whether data begin with the header of the block at offset, whatever
// its seal.
func (s *stamper) isHeader(data []byte, offset uint64) bool {
	return bytes.Equal(data[:offsetAt], s.header[:offsetAt]) && uint48(data[offsetAt:]) == offset
}

// isZero reports whether all of data are zeros.
func isZero(data []byte) bool {
	for ; len(data) >= 32; data = data[32:] {
		if binary.LittleEndian.Uint64(data)|binary.LittleEndian.Uint64(data[8:])|
			binary.LittleEndian.Uint64(data[16:])|binary.LittleEndian.Uint64(data[24:]) != 0 {
			return false
		}
	}
	for _, b := range data {
		if b != 0 {
			return false
		}
	}
	return true
}
