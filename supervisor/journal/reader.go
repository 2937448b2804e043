package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"bulkhead/internal/frame"
	"bulkhead/internal/ownfile"
)

const readBufferBytes = 64 << 10

// breakage is the first place in a segment that is not a valid record.
type breakage struct {
	offset int64
	why    string
	// cut says that the segment ends before the record does, as far as its length tells.
	cut bool
	// length is how much of the segment the record takes, with its frame; 0 if nobody knows.
	length int64
}

// statReaderAt is a segment file to a reader.
type statReaderAt interface {
	io.ReaderAt
	Stat() (fs.FileInfo, error)
}

// visitFunc is given each valid payload, where its record begins, and the place behind it. It
// must not keep the payload.
type visitFunc func(payload []byte, at Position, behind Mark) error

// readSegment calls visit for each record of s from an offset on, which is headerBytes or
// behind a record, and returns where they end, with the torn tail if there is one; only the last
// segment can have one, or zeros behind its records. Other damage is a CorruptError. An error of
// visit ends the reading and is returned as it is. With a nil visit only the header is read.
func readSegment(dir string, s segment, from int64, visit visitFunc) (end, error) {
	f, err := ownfile.Peek(filepath.Join(dir, s.name))
	if err != nil {
		return end{}, fmt.Errorf("reading journal: %w", err)
	}
	defer f.Close() // read only: nothing can be lost

	broken, err := checkHeader(f, s)
	if err != nil {
		return end{}, err
	}
	if broken != nil {
		return judgeHeader(f, s, *broken)
	}
	for {
		if visit != nil {
			broken, err = readRecords(f, s, from, visit)
		}
		switch {
		case err != nil:
			return end{}, err
		case broken == nil:
			return end{offset: s.size}, nil
		case !s.last:
			return end{}, s.corrupt(broken.offset, "%s, and more of the journal follows", broken.why)
		}
		e, again, err := s.look(f, *broken)
		if !again {
			return e, err
		}
		from = broken.offset
	}
}

// judgeHeader decides what a header that a crash can leave behind is.
func judgeHeader(f io.ReaderAt, s segment, b breakage) (end, error) {
	if !s.last {
		return end{}, s.corrupt(b.offset, "%s, and more of the journal follows", b.why)
	}
	torn, err := judge(f, s, b, s.size)
	return end{torn: torn}, err
}

// readRecords calls visit for each record of s between an offset and its end or the first
// breakage.
func readRecords(f io.ReaderAt, s segment, from int64, visit visitFunc) (*breakage, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, s.size-from), readBufferBytes)
	var payload []byte
	header := make([]byte, frameBytes)
	for offset := from; offset < s.size; offset += frameBytes + int64(len(payload)) {
		var broken *breakage
		var err error
		payload, broken, err = readRecord(r, header, payload[:0], s.size-offset)
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading %v: %w", Position{s.name, offset}, err)
		case broken != nil:
			broken.offset = offset
			if broken.cut {
				broken.length = s.size - offset
			}
			return broken, nil
		}
		if err := visit(payload, Position{s.name, offset}, s.behind(header, offset)); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// readRecord reads one record out of the remaining bytes of a segment into header, of
// frameBytes, and buf, which it grows no further than those bytes and maxPayloadBytes. It
// returns what is broken, but for its offset, when there is no valid record.
func readRecord(r io.Reader, header, buf []byte, remaining int64) (payload []byte, broken *breakage, err error) {
	if remaining < frameBytes {
		return buf, cutShort("record cut short: %d bytes, its frame alone has %d", remaining, frameBytes), nil
	}
	if broken, err := fill(r, header); broken != nil || err != nil {
		return buf, broken, err
	}
	length := int64(frame.Length(header))
	switch {
	case [frameBytes]byte(header) == [frameBytes]byte{}:
		return buf, &breakage{why: "zeros where a record should begin"}, nil
	case length == 0 || length > maxPayloadBytes:
		return buf, &breakage{why: fmt.Sprintf("record length %d is impossible", length)}, nil
	case length > remaining-frameBytes:
		return buf, cutShort("record cut short: %d of %d bytes", remaining-frameBytes, length), nil
	}
	if int64(cap(buf)) < length {
		buf = make([]byte, length)
	}
	payload = buf[:length]
	if broken, err := fill(r, payload); broken != nil || err != nil {
		return buf, broken, err
	}
	if !frame.Matches(header, payload) {
		return payload, &breakage{why: "record checksum is wrong", length: frameBytes + length}, nil
	}
	return payload, nil, nil
}

// fill reads all of p. A file that became shorter meanwhile breaks the record: a writer
// that failed cuts off what it never acknowledged.
func fill(r io.Reader, p []byte) (*breakage, error) {
	_, err := io.ReadFull(r, p)
	if endOfFile(err) {
		return cutShort("record cut off while it was read"), nil
	}
	return nil, err
}

// cutShort returns the breakage of a record of which the end is not there.
func cutShort(format string, args ...any) *breakage {
	return &breakage{why: fmt.Sprintf(format, args...), cut: true}
}

// endOfFile reports whether err says that a file ended, early or not.
func endOfFile(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// notSearched returns the error that says that nobody knows what is behind a breakage.
func (s segment) notSearched(b breakage, err error) error {
	if errors.Is(err, errUndecided) {
		return s.corrupt(b.offset, "%s, and what follows looks too much like records to be cut off", b.why)
	}
	return fmt.Errorf("reading %s: %w", s.name, err)
}

// judge decides whether a breakage in the last segment is a torn tail or corruption. data is
// where the zeros at the end of the segment begin.
func judge(f io.ReaderAt, s segment, b breakage, data int64) (*Torn, error) {
	search := newSearch(f, b.offset+1, s.size, resyncBudgetBytes)
	next, err := search.next(b.offset + 1)
	if err != nil {
		return nil, s.notSearched(b, err)
	}
	if next >= 0 {
		return judgeWrite(search, s, b, next, data)
	}
	torn := &Torn{Position: Position{s.name, b.offset}, Why: b.why, Damaged: !b.cut}
	torn.Bytes = max(data, min(b.offset+b.length, s.size)) - b.offset
	if cutInZeros(b.offset, b.length, data) {
		torn.Bytes, torn.Damaged = data-b.offset, false
		torn.Why = fmt.Sprintf("record cut short: zeros from byte %d on", data)
	}
	if !torn.Damaged {
		whole, err := wholeButLength(f, b.offset, data, s.size)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.name, err)
		}
		if whole {
			torn.Damaged, torn.Why = true, "record length is wrong: its checksum is right for what is there"
		}
	}
	if torn.Damaged {
		torn.Why += "; " + MayBeAcknowledged
	}
	return torn, nil
}
