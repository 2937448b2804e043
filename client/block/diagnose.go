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

// header names the block that is expected.
func (c *Checker) header(e *expected) Header {
	return c.headerAt(&c.file, e.form == formShared, e.place)
}

func (c *Checker) headerAt(f *File, shared bool, place uint64) Header {
	if shared {
		return Header{File: File{Owner: f.Owner, Data: f.Data}, Offset: place, Shared: true}
	}
	return Header{File: *f, Offset: place}
}

// diagnose says what is wrong with a block that is not sound.
func (c *Checker) diagnose(e *expected, block []byte) Fault {
	f := Fault{Offset: e.offset, Length: uint64(len(block)), Blocks: 1, Expected: c.Name(e.offset)}
	if h, ok := wholeBlock(block); ok {
		c.displaced(&f, h)
		return f
	}
	switch {
	case isZero(block):
		f.Damage, f.Found, f.Unwritten = Lost, "zeros", true
	case e.form == formBare:
		c.diagnoseBare(&f, block)
	case e.length < HeaderSize:
		c.diagnoseShort(&f, e, block)
	default:
		c.diagnoseSectors(&f, e, block)
	}
	if f.alike == (likeness{}) {
		f.alike.found = f.Found
	}
	return f
}

// Name says what should be at offset, a multiple of 4096.
func (c *Checker) Name(offset uint64) string {
	if offset >= c.file.Size {
		return fmt.Sprintf("the end of file %d, which is to have %d B", c.file.Number, c.file.Size)
	}
	e := c.expect(offset)
	if e.form == formBare {
		return "zeros of the " + c.headerAt(&c.file, false, offset).String()
	}
	return c.header(&e).String()
}

// excess says what is behind the end of the file.
func (c *Checker) excess(offset uint64, data []byte) Fault {
	f := Fault{
		Offset: offset, Length: uint64(len(data)), Blocks: 1, Damage: Lost,
		Expected: c.Name(c.file.Size), Found: "data without a header",
	}
	if h, ok := wholeBlock(data); ok {
		c.displaced(&f, h)
		return f
	}
	if isZero(data) {
		f.Found, f.Unwritten = "zeros", true
	}
	f.alike.found = "behind the end: " + f.Found
	return f
}

// Sound returns the header of a block that is sound as what its header says it is; block
// may be cut off.
func Sound(block []byte) (Header, bool) { return wholeBlock(block) }

// wholeBlock returns the header of a block that is sound as what it says it is.
func wholeBlock(block []byte) (Header, bool) {
	h, err := Parse(block)
	if err != nil {
		return Header{}, false
	}
	e := expected{offset: h.Offset, place: h.Offset, length: Size, data: h.Data}
	var by stamper
	if h.Shared {
		e.form, by = formShared, newSharedStamper(&h.File)
	} else {
		e.length, by = int(min(h.File.Size-h.Offset, Size)), newStamper(&h.File)
	}
	if len(block) > e.length {
		return Header{}, false
	}
	e.by = &by
	sound, _ := e.sound(block)
	return h, sound
}

// displaced says that a sound block is in the place of another.
func (c *Checker) displaced(f *Fault, h Header) {
	f.Damage, f.Found = Misplaced, h.String()
	same := h.File
	same.Generation = c.file.Generation
	same.Size = c.file.Size // a recycled file may have had another
	if !h.Shared && same == c.file && h.Offset == f.Offset && h.Generation < c.file.Generation {
		f.Damage, f.Unwritten = Stale, true
	}
	f.alike = likeness{file: h.File, shift: int64(h.Offset - f.Offset)}
	if h.Shared {
		f.alike.shift = 0
	}
}

// diagnoseBare is diagnose for a block that should be zeros.
func (c *Checker) diagnoseBare(f *Fault, block []byte) {
	wrong := 0
	for _, b := range block {
		if b != 0 {
			wrong++
		}
	}
	switch h, err := Parse(block); {
	case err == nil:
		f.Damage, f.Found = Torn, "a part of the "+h.String()
	case wrong <= fewBytes:
		f.Damage, f.Found = Flipped, fmt.Sprintf("%d bytes that are not zero", wrong)
	default:
		f.Damage, f.Found = Lost, "data without a header"
	}
}

// diagnoseShort is diagnose for a block that is too short to have a header.
func (c *Checker) diagnoseShort(f *Fault, e *expected, block []byte) {
	var short [HeaderSize]byte
	for back := uint32(1); back <= olderGenerations && back < c.file.Generation; back++ {
		older := c.file
		older.Generation -= back
		by := newStamper(&older)
		by.putShort(&short, e.place)
		if string(block) == string(short[:len(block)]) {
			c.displaced(f, Header{File: older, Offset: e.offset})
			return
		}
	}
	e.by.putShort(&short, e.place)
	if wrong := bitsApart(block, short[:len(block)]); wrong <= min(fewBits, len(block)) {
		f.Damage, f.Found = Flipped, fmt.Sprintf("the same with %d changed bits", wrong)
		f.alike.found = "flipped"
		return
	}
	f.Damage, f.Found = Lost, "data without a header"
}

// diagnoseSectors is diagnose for a block that has a header and stamps.
func (c *Checker) diagnoseSectors(f *Fault, e *expected, block []byte) {
	var found []finding
	counts := make(map[content]int)
	others := c.candidates(e, block)
	for sector := 0; sector*sectorSize < len(block); sector++ {
		from := sector * sectorSize
		is := e.find(sector, block[from:min(from+sectorSize, len(block))], others)
		found = append(found, is)
		counts[is.content]++
	}
	ours := counts[contentRight] + counts[contentChanged]
	switch {
	case ours == len(found):
		f.Damage, f.alike.found = Flipped, "flipped"
		f.Found = "the same with changed bytes: " + describe(found)
	case ours == 0 && counts[contentOther] == 0:
		f.Damage, f.Found = Lost, "data without a header"
	case ours == 0 && counts[contentOther] == len(found) && together(found):
		c.displaced(f, found[0].of)
		from := found[0].of.Offset + uint64(found[0].at*sectorSize)
		f.Damage = Misplaced
		f.Found = fmt.Sprintf("the content from offset %d B on of %v", from, found[0].of)
		f.alike.shift = int64(from - f.Offset)
	default:
		f.Damage, f.alike.found = Torn, "torn"
		f.Found = describe(found)
	}
	f.Unwritten = ours < len(found) && c.unwritten(e, found)
	f.FirstOnly, f.LastOnly = onlyOne(found)
}

// unwritten says whether what is not right in a block is what was there before it was
// written, or zeros. One sector in which the writing stopped may be neither.
func (c *Checker) unwritten(e *expected, found []finding) bool {
	before := func(i int) bool {
		if i < 0 || i >= len(found) {
			return false
		}
		f := found[i]
		older := f.of.File
		older.Generation, older.Size = c.file.Generation, c.file.Size
		return f.content == contentZeros ||
			f.content == contentOther && older == c.file && f.of.Generation < c.file.Generation && f.of.Offset == e.offset && f.at == i
	}
	right := func(i int) bool { return i >= 0 && i < len(found) && found[i].content == contentRight }
	begun := found[0].content == contentChanged || found[0].content == contentBegun
	for i := range found {
		switch {
		case right(i), before(i):
		case before(i+1) && (right(i-1) || i == 0 && begun): // the writing stopped in it
		case before(i-1) && right(i+1): // or began
		default:
			return false
		}
	}
	return true
}

// onlyOne says whether only the first sector, or only the last, is not right.
func onlyOne(found []finding) (first, last bool) {
	wrong := 0
	for _, f := range found {
		if f.content != contentRight {
			wrong++
		}
	}
	return wrong == 1 && found[0].content != contentRight, wrong == 1 && found[len(found)-1].content != contentRight
}

// together says whether the sectors follow each other in one file.
func together(found []finding) bool {
	place := func(i int) uint64 { return found[i].of.Offset + uint64(found[i].at*sectorSize) }
	for i := range found {
		if found[i].of.File != found[0].of.File || found[i].of.Shared != found[0].of.Shared ||
			place(i) != place(0)+uint64(i*sectorSize) {
			return false
		}
	}
	return true
}

// candidate is a file of which sectors may be in a block.
type candidate struct {
	of Header // the offset is none
	by stamper
}

// candidates are the files that a sector in the wrong place is most likely of: this
// one, its earlier generations, its consumer's shared blocks, and those that headers in
// the block speak of.
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

// find says what is in the place of a sector.
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

// isBegun says whether the first sector of the block has the beginning of its header, and
// behind that zeros, or what is there in an earlier generation of one of those files.
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

// isChanged says whether data, which are not sound, are those of the sector with
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

// bitsApart is the number of bits in which two texts of one length differ.
func bitsApart(a, b []byte) int {
	n := 0
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

// describe says what is in the sectors of a block, those alike together.
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

// continues says whether b, n sectors behind a, is more of the same.
func continues(a, b finding, n int) bool {
	return a.content == b.content && a.of == b.of && (a.content != contentOther || b.at == a.at+n)
}

// String says what is in a sector, behind its name.
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
