package block

import "fmt"

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

// diagnose returns what is wrong with a block that is not sound.
func (c *Checker) diagnose(e *expected, block []byte) Fault {
	f := Fault{Offset: e.offset, Length: uint64(len(block)), Blocks: 1, Expected: c.Name(e.offset)}
	if h, ok := Sound(block); ok {
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

// Name returns what should be at offset, a multiple of 4096.
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

// excess returns what is behind the end of the file.
func (c *Checker) excess(offset uint64, data []byte) Fault {
	f := Fault{
		Offset: offset, Length: uint64(len(data)), Blocks: 1, Damage: Lost,
		Expected: c.Name(c.file.Size), Found: "data without a header",
	}
	if h, ok := Sound(data); ok {
		c.displaced(&f, h)
		return f
	}
	if isZero(data) {
		f.Found, f.Unwritten = "zeros", true
	}
	f.alike.found = "behind the end: " + f.Found
	return f
}

// Sound returns the header of a block that is sound as what its header says it is. The
// block may be cut off.
func Sound(block []byte) (Header, bool) {
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

// displaced records in f that a sound block is in the place of another.
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

// diagnoseBare diagnoses a block that should be zeros.
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

// diagnoseShort diagnoses a block that is too short to have a header.
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

// diagnoseSectors diagnoses a block that has a header and stamps.
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
