package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const readBufferBytes = 64 << 10

// breakage is the first place in a segment that is not a valid record.
type breakage struct {
	offset int64
	why    string
	// cut says that the segment ends before the record does, as far as its length tells.
	cut bool
}

// visitFunc is given each valid payload and where its record begins. It must not
// keep the payload.
type visitFunc func(payload []byte, at Position) error

// readSegment calls visit for each record of s, and returns the torn tail if there is
// one; only the last segment can have one. Other damage is a CorruptError. An error of
// visit ends the reading and is returned as it is. With a nil visit only the header is
// read.
func readSegment(dir string, s segment, visit visitFunc) (*Torn, error) {
	f, err := os.Open(filepath.Join(dir, s.name))
	if err != nil {
		return nil, fmt.Errorf("reading journal: %w", err)
	}
	defer f.Close() // read only: nothing can be lost

	broken, err := checkHeader(f, s)
	if err == nil && broken == nil && visit != nil {
		broken, err = readRecords(f, s, visit)
	}
	if err != nil || broken == nil {
		return nil, err
	}
	return judge(f, s, *broken)
}

// readRecords calls visit for each record of s up to its end or the first breakage.
func readRecords(f io.ReaderAt, s segment, visit visitFunc) (*breakage, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(f, headerBytes, s.size-headerBytes), readBufferBytes)
	var payload []byte
	frame := make([]byte, frameBytes)
	for offset := int64(headerBytes); offset < s.size; offset += frameBytes + int64(len(payload)) {
		var broken *breakage
		var err error
		payload, broken, err = readRecord(r, frame, payload[:0], s.size-offset)
		switch {
		case err != nil:
			return nil, fmt.Errorf("reading %v: %w", Position{s.name, offset}, err)
		case broken != nil:
			broken.offset = offset
			return broken, nil
		}
		if err := visit(payload, Position{s.name, offset}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// readRecord reads one record out of the remaining bytes of a segment into frame, of
// frameBytes, and buf, which it grows no further than those bytes and MaxRecordBytes. It
// returns what is broken, but for its offset, when there is no valid record.
func readRecord(r io.Reader, frame, buf []byte, remaining int64) (payload []byte, broken *breakage, err error) {
	if remaining < frameBytes {
		return buf, cutShort("record cut short: %d bytes, its frame alone has %d", remaining, frameBytes), nil
	}
	if broken, err := fill(r, frame); broken != nil || err != nil {
		return buf, broken, err
	}
	length := int64(binary.LittleEndian.Uint32(frame))
	switch {
	case [frameBytes]byte(frame) == [frameBytes]byte{}:
		return buf, &breakage{why: "zeros where a record should begin"}, nil
	case length == 0 || length > MaxRecordBytes:
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
	if checksum(frame[:4], payload) != binary.LittleEndian.Uint32(frame[4:]) {
		return payload, &breakage{why: "record checksum is wrong"}, nil
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

// cutShort is the breakage of a record of which the end is not there.
func cutShort(format string, args ...any) *breakage {
	return &breakage{why: fmt.Sprintf(format, args...), cut: true}
}

// endOfFile reports whether err says that a file ended, early or not.
func endOfFile(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// judge decides whether a breakage is a torn tail or corruption.
func judge(f io.ReaderAt, s segment, b breakage) (*Torn, error) {
	if !s.last {
		return nil, s.corrupt(b.offset, "%s, and more segments follow", b.why)
	}
	next, err := findRecord(f, b.offset+1, s.size, resyncBudgetBytes)
	switch {
	case errors.Is(err, errUndecided):
		return nil, s.corrupt(b.offset, "%s, and what follows looks too much like records to be cut off", b.why)
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", s.name, err)
	case next >= 0:
		return nil, s.corrupt(b.offset, "%s, and a valid record follows at byte %d", b.why, next)
	}
	torn := &Torn{Position: Position{s.name, b.offset}, Bytes: s.size - b.offset, Why: b.why, Damaged: !b.cut}
	if b.cut {
		whole, err := wholeButLength(f, b.offset, torn.Bytes)
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

// wholeButLength reports whether a tail of size bytes that looks cut short is a whole
// record with a damaged length: the checksum, which covers the length, is right for the
// length that is there.
func wholeButLength(f io.ReaderAt, offset, size int64) (bool, error) {
	if size <= frameBytes || size > frameBytes+MaxRecordBytes {
		return false, nil
	}
	tail := make([]byte, size)
	if _, err := f.ReadAt(tail, offset); err != nil {
		return false, unlessEnd(err)
	}
	sum := binary.LittleEndian.Uint32(tail[4:])
	binary.LittleEndian.PutUint32(tail, uint32(size-frameBytes))
	return checksum(tail[:4], tail[frameBytes:]) == sum, nil
}
