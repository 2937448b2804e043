package journal

import (
	"bufio"
	"fmt"
	"io"
)

// lastWrite is the write that has the first breakage of the last segment in it, as far as it is
// there.
type lastWrite struct {
	s     segment
	first int64 // where the breakage is: the write began there or before
	begin int64 // where it began, by its records; 0 before the first of them is read

	records int // valid ones behind the breakage

	buf    *bufio.Reader
	header [frameBytes]byte
	data   []byte
}

// judgeWrite decides what a breakage in the last segment is that has valid records behind it, the
// first of them at an offset. They are the rest of the last write, of which the machine's crash left
// only a part, if each of them says that it came with the one write that the breakage is in, and
// lost sectors explain what is broken. Else they were written after what is broken had been
// synced, or nobody knows: that is corruption.
func judgeWrite(search *search, s segment, b breakage, next, data int64) (*Torn, error) {
	corrupt := s.corrupt(b.offset, "%s, and a valid record follows at byte %d", b.why, next)
	w := lastWrite{s: s, first: b.offset}
	if b.offset == 0 && s.number > 1 {
		w.first = headerBytes // the header is synced with the first write
	}
	g, worst := gap{f: search.f, from: b.offset}, explained
	for {
		end, same, err := w.follow(search.f, next)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.name, err)
		}
		if !same {
			return nil, corrupt
		}
		g.to, g.size, g.head = next, next, g.from == b.offset && w.first == w.begin
		l, err := g.loss()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.name, err)
		}
		if worst = min(worst, l); worst == unexplained {
			return nil, corrupt
		}
		g.from = end
		if next, err = search.next(end + 1); err != nil {
			return nil, s.notSearched(b, err)
		}
		if next < 0 {
			break
		}
	}
	if g.to, g.size, g.atEnd, g.head = data, s.size, true, false; g.from < data {
		l, err := g.loss()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.name, err)
		}
		worst = min(worst, max(l, doubtful))
	}
	torn := &Torn{Position: Position{s.name, b.offset}, Bytes: max(g.from, data) - b.offset, Damaged: worst < explained}
	torn.Why = fmt.Sprintf("%s, and of the same write, which is not whole, %d records follow", b.why, w.records)
	if torn.Damaged {
		torn.Why += "; " + MayBeAcknowledged
	}
	return torn, nil
}

// follow reads the valid records from an offset on and returns where they end. same says that all of
// them came with the write.
func (w *lastWrite) follow(f io.ReaderAt, at int64) (end int64, same bool, err error) {
	rest := io.NewSectionReader(f, at, w.s.size-at)
	if w.buf == nil {
		w.buf = bufio.NewReaderSize(rest, int(min(readBufferBytes, w.s.size-at)))
	} else {
		w.buf.Reset(rest)
	}
	for at < w.s.size {
		var broken *breakage
		w.data, broken, err = readRecord(w.buf, w.header[:], w.data[:0], w.s.size-at)
		if broken != nil || err != nil {
			return at, true, err
		}
		at += frameBytes + int64(len(w.data))
		begin, told := writeBegin(w.data, at)
		if !told || begin < headerBytes || begin > w.first || w.begin != 0 && begin != w.begin {
			return at, false, nil
		}
		w.begin = begin
		w.records++
	}
	return at, true, nil
}
