package journal

import (
	"fmt"
	"io"

	"bulkhead/internal/frame"
)

const (
	// sectorBytes is the least that a disk writes whole.
	sectorBytes = 512
	// slackZeros is how many zeros a record is taken to end in at most.
	slackZeros = 16
)

// dataEnd returns where the zeros at the end of a file begin: behind the last byte between two
// offsets that is not zero, or at the first of them.
func dataEnd(f io.ReaderAt, from, to int64) (int64, error) {
	window := make([]byte, min(resyncWindowBytes, max(to-from, 0)))
	for to > from {
		p := window[:min(int64(len(window)), to-from)]
		n, err := f.ReadAt(p, to-int64(len(p)))
		if err := unlessEnd(err); err != nil {
			return 0, err
		}
		for i := n - 1; i >= 0; i-- {
			if p[i] != 0 {
				return to - int64(len(p)) + int64(i) + 1, nil
			}
		}
		to -= int64(len(p))
	}
	return from, nil
}

// cutInZeros reports whether a record at offset, of length bytes with its frame and no longer
// than the file, was being written over zeros when its writer ended: from a border of sectors on, to
// which it reaches, there are zeros alone. data is where they begin. A record that is whole but for
// a flipped bit reaches to its own end.
func cutInZeros(offset, length, data int64) bool {
	border := (data + sectorBytes - 1) / sectorBytes * sectorBytes
	return border > offset && border-data < slackZeros && border < offset+length
}

// wholeButLength reports whether a tail that looks cut short is a whole record with a damaged
// length: the checksum, which covers the length, is right for what is there between offset and
// data, with some of the zeros behind that, or with all of them up to size.
func wholeButLength(f io.ReaderAt, offset, data, size int64) (bool, error) {
	const most = frameBytes + maxPayloadBytes
	least := max(data-offset, frameBytes+1)
	if least > min(size-offset, most) {
		return false, nil
	}
	tail := make([]byte, min(size-offset, most))
	if _, err := f.ReadAt(tail, offset); err != nil {
		return false, unlessEnd(err)
	}
	matches := func(length int64) bool {
		frame.SetLength(tail, uint32(length-frameBytes))
		return frame.Matches(tail[:frameBytes], tail[frameBytes:length])
	}
	for length := least; length <= int64(len(tail)) && length <= least+slackZeros; length++ {
		if matches(length) {
			return true, nil
		}
	}
	return size-offset <= most && matches(size-offset), nil
}

// end is where a reading of a segment ended.
type end struct {
	// offset is behind the last record, and torn what is there that is none; nil if there are
	// zeros alone or nothing.
	offset int64
	torn   *Torn
}

// look decides what a breakage in the last segment is. again says that it no longer is one: a writer
// wrote more, or let go of the segment, and reading continues from there with the size that the
// segment has now.
func (s *segment) look(f statReaderAt, b breakage) (e end, again bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return end{}, false, fmt.Errorf("reading %s: %w", s.name, err)
	}
	if now := info.Size(); now < s.size { // the zeros were cut off, or what was never acknowledged
		s.size = max(now, b.offset)
		return end{}, true, nil
	} else if now > s.size && b.cut { // the segment has grown meanwhile; this is what was there before
		return end{offset: b.offset}, false, nil
	}
	data, err := dataEnd(f, b.offset, s.size)
	if err != nil {
		return end{}, false, fmt.Errorf("reading %s: %w", s.name, err)
	}
	if data == b.offset {
		e.offset = b.offset
	} else {
		e.torn, err = judge(f, *s, b, data)
		e.offset = b.offset
	}
	// Where a writer has just been, its record is whole now: it finishes one before it begins
	// the next.
	if e.torn != nil || err != nil {
		again, readErr := isRecord(f, b.offset, s.size)
		if again || readErr != nil {
			return end{}, again, readErr
		}
	}
	return e, false, err
}

// isRecord reports whether a valid record is at an offset.
func isRecord(f io.ReaderAt, offset, size int64) (bool, error) {
	header := make([]byte, frameBytes)
	_, broken, err := readRecord(io.NewSectionReader(f, offset, size-offset), header, nil, size-offset)
	return broken == nil && err == nil, err
}
