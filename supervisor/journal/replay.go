package journal

import (
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
	// Torn is the torn tail; nil when the journal ends with a complete record.
	Torn *Torn
}

// Replay calls fn with every record of the journal in dir, in order. fn may keep the
// record. Replay takes no lock and changes nothing.
//
// A torn tail ends the replay without an error and is in Summary.Torn. Damage elsewhere
// ends it with a CorruptError, after fn has had every record before the damage. An error
// of fn ends it too and is wrapped. The other errors wrap ErrNoJournal, ErrVersion or
// what the system said. The Summary counts what was delivered, also with an error.
func Replay(dir string, fn func(*bulkheadv1.Record) error) (Summary, error) {
	return replay(dir, func(rec *bulkheadv1.Record, at Position) error {
		if err := fn(rec); err != nil {
			return fmt.Errorf("replaying %v: %w", at, err)
		}
		return nil
	})
}

// replay is Replay with the position of each record.
func replay(dir string, fn func(*bulkheadv1.Record, Position) error) (Summary, error) {
	segments, hole := listSegments(dir)
	sum := Summary{Segments: len(segments)}
	for _, s := range segments {
		torn, err := readSegment(dir, s, func(payload []byte, at Position) error {
			rec, err := decode(payload, at)
			if err != nil {
				return err
			}
			if err := fn(rec, at); err != nil {
				return err
			}
			sum.Records++
			sum.Bytes += frameBytes + int64(len(payload))
			return nil
		})
		if err != nil {
			return sum, err
		}
		sum.Torn = torn
	}
	return sum, hole
}
