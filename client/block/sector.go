package block

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/cespare/xxhash/v2"
)

const (
	// fewBits is how many bits of a header or mark may be wrong for it to be a changed
	// one rather than another: two random marks differ in so few in one of
	// 5 million pairs.
	fewBits = 12
	// fewBytes is how many bytes that are not zero may be where all should be.
	fewBytes = 16
	// olderGenerations is how far back sectors of earlier generations are recognized.
	olderGenerations = 16
)

// content is what a sector turned out to hold.
type content uint8

const (
	contentRight   content = iota // what it should
	contentChanged                // the same, with changed bytes
	contentZeros
	contentOther   // a sector of another block
	contentBegun   // the beginning of its header, then what was there before
	contentUnknown // none of ours
)

// finding is what is in the place of a sector.
type finding struct {
	content content
	// of is the block that the sector is of, and at its number there, for contentOther.
	of Header
	at int
}

// candidate is a file of which sectors may be in a block.
type candidate struct {
	of Header // the offset is none
	by stamper
}

// candidates returns the files that a sector in the wrong place is most likely of: this one, its
// earlier generations, its consumer's shared blocks, and those that headers in the block speak
// of.
func (c *Checker) candidates(e *expected, block []byte) []candidate {
	all := []candidate{{Header{File: c.file}, c.own}}
	if c.file.Kind == Dedupable {
		all = append(all, candidate{c.headerAt(&c.file, true, 0), c.shared})
	}
	for at := 0; at < len(block); at += sectorSize {
		h, err := Parse(block[at:])
		if err != nil || !h.Shared && h.File == c.file {
			continue
		}
		h.Offset = 0
		by := newStamper(&h.File)
		if h.Shared {
			by = newSharedStamper(&h.File)
		}
		all = append(all, candidate{h, by})
	}
	for back := uint32(1); back <= olderGenerations && back < c.file.Generation; back++ {
		older := c.file
		older.Generation -= back
		all = append(all, candidate{Header{File: older}, newStamper(&older)})
	}
	return all
}

// find returns what is in the place of a sector.
func (e *expected) find(sector int, data []byte, others []candidate) finding {
	if sound, _ := e.sectorSound(sector, data); sound {
		return finding{content: contentRight}
	}
	if isZero(data) {
		return finding{content: contentZeros}
	}
	if of, at, ok := whose(data, others); ok {
		return finding{contentOther, of, at}
	}
	if sector == 0 && e.isBegun(data, others) {
		return finding{content: contentBegun}
	}
	if e.isChanged(sector, data) {
		return finding{content: contentChanged}
	}
	if h, err := Parse(data); err == nil {
		return finding{contentOther, h, 0}
	}
	return finding{content: contentUnknown}
}

// whose returns the block that a sector is of, and the sector's number in it, if the
// sector is a whole one of one of those files.
func whose(data []byte, files []candidate) (of Header, at int, ok bool) {
	if h, err := Parse(data); err == nil {
		by := newStamper(&h.File)
		if h.Shared {
			by = newSharedStamper(&h.File)
		}
		seal := by.seal(by.mark(h.Offset/sectorSize), xxhash.Sum64(data[HeaderSize:]))
		return h, 0, binary.LittleEndian.Uint64(data[sealAt:]) == seal
	}
	if len(data) < stampSize {
		return Header{}, 0, false
	}
	mark := binary.LittleEndian.Uint64(data)
	for i := range files {
		f := &files[i]
		s := f.by.sectorOf(mark)
		if s >= MaxFileSize/sectorSize ||
			binary.LittleEndian.Uint64(data[8:]) != f.by.seal(mark, xxhash.Sum64(data[stampSize:])) {
			continue
		}
		of := f.of
		of.Offset = s / sectorsPerBlock * Size
		return of, int(s % sectorsPerBlock), true
	}
	return Header{}, 0, false
}

// isBegun reports whether the first sector of the block has the beginning of its header, and
// behind that zeros, or what is in an earlier generation of one of those files.
func (e *expected) isBegun(data []byte, others []candidate) bool {
	if len(data) < HeaderSize {
		return false
	}
	var header, older [HeaderSize]byte
	e.by.putHeader(&header, e.place, 0)
	begun := func() bool {
		n := 0
		for n < sealAt && data[n] == header[n] {
			n++
		}
		return n > 0 && n < sealAt && string(data[n:HeaderSize]) == string(older[n:])
	}
	if isZero(data[HeaderSize:]) && begun() {
		return true
	}
	payload := xxhash.Sum64(data[HeaderSize:])
	for i := range others {
		f := &others[i]
		f.by.putHeader(&older, e.place, payload)
		if begun() {
			return true
		}
	}
	return false
}

// isChanged reports whether data, which are not sound, are those of the sector with
// bytes that were changed.
func (e *expected) isChanged(sector int, data []byte) bool {
	stamped := e.data.stampLength(sector)
	if stamped == 0 { // should be zeros
		wrong := 0
		for _, b := range data {
			if b != 0 {
				wrong++
			}
		}
		return wrong <= fewBytes
	}
	var stamp [HeaderSize]byte
	e.putStamp(&stamp, sector, 0)
	known := min(len(data), stamped-8)
	return bitsApart(data[:known], stamp[:known]) <= min(fewBits, known)
}

// bitsApart returns the number of bits in which two texts of one length differ.
func bitsApart(a, b []byte) int {
	n := 0
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

// describe returns what is in the sectors of a block, those alike together.
func describe(found []finding) string {
	var parts []string
	for i := 0; i < len(found); {
		n := 1
		for i+n < len(found) && continues(found[i], found[i+n], n) {
			n++
		}
		where := fmt.Sprintf("sector %d", i)
		if n > 1 {
			where = fmt.Sprintf("sectors %d to %d", i, i+n-1)
		}
		parts = append(parts, where+" "+found[i].String())
		i += n
	}
	return strings.Join(parts, "; ")
}

// continues reports whether b, n sectors behind a, is more of the same.
func continues(a, b finding, n int) bool {
	return a.content == b.content && a.of == b.of && (a.content != contentOther || b.at == a.at+n)
}

// String returns what is in a sector, behind its name.
func (f finding) String() string {
	switch f.content {
	case contentRight:
		return "right"
	case contentChanged:
		return "changed"
	case contentZeros:
		return "zeros"
	case contentBegun:
		return "right only at its beginning"
	case contentOther:
		return fmt.Sprintf("from sector %d of the %v", f.at, f.of)
	default:
		return "without a stamp of ours"
	}
}
