package journal

import (
	"errors"
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Summary is what a reading of a journal found.
type Summary struct {
	// Segments is the number of segment files, up to the first that is missing.
	Segments int
	// Records is the number of records delivered, and Bytes their length with their
	// frames.
	Records uint64
	Bytes   int64
	// Torn is the torn tail; nil when the journal ends with a complete record, or with zeros
	// behind it.
	Torn *Torn
	// End is behind the last record delivered.
	End Mark
}

// Replay calls fn with every record of the journal in dir, in order. fn may keep the
// record. Replay takes no lock and changes nothing.
//
// A torn tail ends the replay without an error and is in Summary.Torn. Damage elsewhere
// ends it with a CorruptError, after fn has had every record before the damage. An error
// of fn ends it too and is wrapped. The other errors wrap ErrNoJournal, ErrVersion or
// what the system said. The Summary counts what was delivered, also with an error.
func Replay(dir string, fn func(*bulkheadv1.Record) error) (Summary, error) {
	return ReplayFrom(dir, Mark{}, func(rec *bulkheadv1.Record, _ Mark) error { return fn(rec) })
}

// ReplayFrom replays the records behind a mark, each with the mark behind it. Of the
// segments before only the headers and the sizes are checked. When the mark is not of this
// journal, nothing is delivered and the error wraps ErrForeignMark.
func ReplayFrom(dir string, from Mark, fn func(rec *bulkheadv1.Record, behind Mark) error) (Summary, error) {
	return ReplayShort(dir, from, nil, fn)
}

// ReplayShort does what ReplayFrom does with what short leaves of the records; nil leaves all.
func ReplayShort(dir string, from Mark, short Shortening,
	fn func(rec *bulkheadv1.Record, behind Mark) error) (Summary, error) {
	return replay(dir, from, short, func(rec *bulkheadv1.Record, at Position, behind Mark) error {
		if err := fn(rec, behind); err != nil {
			return fmt.Errorf("replaying %v: %w", at, err)
		}
		return nil
	})
}

// replay does what ReplayShort does, with the position of each record.
func replay(dir string, from Mark, short Shortening,
	fn func(*bulkheadv1.Record, Position, Mark) error) (Summary, error) {
	segments, hole := listSegments(dir)
	sum := Summary{Segments: len(segments), End: from}
	if err := from.check(dir, segments); err != nil {
		return sum, errors.Join(err, hole)
	}
	for _, s := range segments {
		offset, visit := int64(headerBytes), visitFunc(func(payload []byte, at Position, behind Mark) error {
			rec, err := decode(payload, at, short)
			if err != nil {
				return err
			}
			if err := fn(rec, at, behind); err != nil {
				return err
			}
			sum.Records++
			sum.Bytes += frameBytes + int64(len(payload))
			sum.End = behind
			return nil
		})
		switch {
		case s.number < from.Segment:
			visit = nil
		case s.number == from.Segment:
			offset = from.Offset
		}
		e, err := readSegment(dir, s, offset, visit)
		if err != nil {
			return sum, err
		}
		sum.Torn = e.torn
	}
	return sum, hole
}
