package report

import (
	"errors"
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
)

// FromJournal builds the report from the journal in dir alone. It changes nothing
// there, and works while the journal is being written.
//
// What is wrong with the journal makes the report partial and is stated in it: a
// torn tail, damage further up (nothing behind it is in the report), and records
// out of order. FromJournal returns an error only when there is nothing to report
// from: it wraps journal.ErrNoJournal, journal.ErrVersion or what the system said.
func FromJournal(dir string) (*Report, error) {
	f := NewFolder()
	sum, err := journal.Replay(dir, func(r *bulkheadv1.Record) error {
		// The Folder remembers what it could not use, and states it.
		_ = f.Add(r)
		return nil
	})
	var corrupt *journal.CorruptError
	switch {
	case errors.As(err, &corrupt):
		f.damage = &Damage{
			Segment:     clean(corrupt.Segment, maxName),
			OffsetBytes: corrupt.Offset,
			Why:         clean(corrupt.Why, maxText),
		}
	case err != nil:
		return nil, fmt.Errorf("building the report: %w", err)
	}
	if t := sum.Torn; t != nil {
		f.damage = &Damage{
			Segment:     clean(t.Segment, maxName),
			OffsetBytes: t.Offset,
			Torn:        true,
			TornBytes:   t.Bytes,

			MayBeAcknowledged: t.Damaged,
			Why:               clean(t.Why, maxText),
		}
	}
	return f.Report(), nil
}
