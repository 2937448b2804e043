package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"bulkhead/internal/frame"
	"bulkhead/internal/ownfile"
)

// ErrForeignMark is wrapped by the error of a replay from a mark that is not of the journal.
var ErrForeignMark = errors.New("it belongs to another journal, or to one that was longer")

// Mark is a place directly behind a record, and says what the record was. The zero value is
// the begin of any journal.
type Mark struct {
	// Segment is the number of the segment, from 1.
	Segment int
	// Offset is in bytes from the start of the segment, and Bytes from the start of the journal,
	// headers and all.
	Offset, Bytes int64
	// Length and Checksum are those in the frame of the record.
	Length, Checksum uint32
}

// String returns "00000007.seg at byte 4711"; "the begin" for the zero value.
func (m Mark) String() string {
	if m == (Mark{}) {
		return "the begin"
	}
	return m.position().String()
}

func (m Mark) position() Position { return Position{segmentName(m.Segment), m.Offset} }

// Sync makes the journal in dir durable up to m, which a writer with SyncNone leaves to the next
// segment: all segments before that of m are.
func (m Mark) Sync(dir string) error {
	f, err := ownfile.Peek(filepath.Join(dir, segmentName(m.Segment)))
	if err != nil {
		return fmt.Errorf("syncing journal: %w", err)
	}
	defer f.Close() // read only: nothing can be lost
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", segmentName(m.Segment), err)
	}
	return nil
}

// behind returns the mark behind the record at an offset of s, with its frame's header.
func (s segment) behind(header []byte, at int64) Mark {
	length := frame.Length(header)
	end := at + frameBytes + int64(length)
	return Mark{Segment: s.number, Offset: end, Bytes: s.start + end, Length: length,
		Checksum: binary.LittleEndian.Uint32(header[4:])}
}

// check returns an error that wraps ErrForeignMark unless the record before m is there. Of
// what lies before that record it knows how long it is.
func (m Mark) check(dir string, segments []segment) error {
	if m == (Mark{}) {
		return nil
	}
	foreign := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrForeignMark, fmt.Sprintf(format, args...))
	}
	if m.Segment < 1 || m.Segment > len(segments) {
		return foreign("it ends in segment %d, and the journal has %d", m.Segment, len(segments))
	}
	s := segments[m.Segment-1]
	at := m.Offset - frameBytes - int64(m.Length)
	switch {
	case m.Length == 0 || m.Length > maxPayloadBytes || at < headerBytes:
		return foreign("it ends at %v, behind a record of %d bytes", m, m.Length)
	case m.Bytes != s.start+m.Offset:
		return foreign("it ends at %v and byte %d of the journal, which is byte %d here", m, m.Bytes,
			s.start+m.Offset)
	case m.Offset > s.size:
		return foreign("it ends at %v, and the segment has %d bytes", m, s.size)
	}
	f, err := ownfile.Peek(filepath.Join(dir, s.name))
	if err != nil {
		return fmt.Errorf("reading journal: %w", err)
	}
	defer f.Close() // read only: nothing can be lost
	record := make([]byte, m.Offset-at)
	if _, err := f.ReadAt(record, at); err != nil {
		return fmt.Errorf("reading %v: %w", Position{s.name, at}, err)
	}
	if s.behind(record, at) != m || !frame.Matches(record[:frameBytes], record[frameBytes:]) {
		return foreign("it ends at %v, behind a record that is not there", m)
	}
	return nil
}
