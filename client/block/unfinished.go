package block

// unwritten reports whether what is not right in a block is what was there before it was
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
			f.content == contentOther && older == c.file && f.of.Generation < c.file.Generation &&
				f.of.Offset == e.offset && f.at == i
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

// onlyOne reports whether only the first sector, or only the last, is not right.
func onlyOne(found []finding) (first, last bool) {
	wrong := 0
	for _, f := range found {
		if f.content != contentRight {
			wrong++
		}
	}
	return wrong == 1 && found[0].content != contentRight, wrong == 1 && found[len(found)-1].content != contentRight
}

// together reports whether the sectors follow each other in one file.
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
