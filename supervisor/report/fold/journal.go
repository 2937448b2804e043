package fold

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bulkhead/internal/plaintext"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// FromJournal builds the report from the journal in dir alone. It changes nothing
// there, and works while the journal is being written.
//
// What is wrong with the journal makes the report partial and is stated in it: a
// torn tail, damage further up (nothing behind it is in the report), and records
// out of order. FromJournal returns an error only when there is nothing to report
// from: it wraps journal.ErrNoJournal, journal.ErrVersion or what the system said.
func FromJournal(dir string) (*report.Report, error) {
	f := NewFolder()
	sum, err := journal.Replay(dir, func(r *bulkheadv1.Record) error {
		// The Folder remembers what it could not use, and states it.
		_ = f.Add(r)
		return nil
	})
	var corrupt *journal.CorruptError
	switch {
	case errors.As(err, &corrupt):
		f.damage = &report.Damage{
			Segment:     plaintext.Line(corrupt.Segment, plaintext.MaxName),
			OffsetBytes: corrupt.Offset,
			Why:         plaintext.Line(corrupt.Why, plaintext.MaxText),
		}
	case err != nil:
		return nil, fmt.Errorf("building the report: %w", err)
	}
	if t := sum.Torn; t != nil {
		f.damage = &report.Damage{
			Segment:     plaintext.Line(t.Segment, plaintext.MaxName),
			OffsetBytes: t.Offset,
			Torn:        true,
			TornBytes:   t.Bytes,

			MayBeAcknowledged: t.Damaged,
			Why:               plaintext.Line(t.Why, plaintext.MaxText),
		}
	}
	return f.Report(), nil
}

// MissingFrom says how the report.json of a run's folder knows more than its journal, as
// found: records that are gone at the end of a journal leave no other trace. It returns ""
// when nothing is known to be missing: also for a folder without a report, or with one
// that cannot be read.
func MissingFrom(runDir string, found journal.Report) string {
	data, err := os.ReadFile(filepath.Join(runDir, "report.json"))
	if err != nil {
		return ""
	}
	var told struct {
		Run     struct{ End string }
		Journal struct{ Records uint64 }
	}
	if err := json.Unmarshal(data, &told); err != nil {
		return ""
	}
	if known := told.Journal.Records; known > found.Summary.Records && found.Damage == nil {
		return fmt.Sprintf("report.json was made from %s, and the journal has %d", words.Plural(known, "record"), found.Summary.Records)
	}
	if end := told.Run.End; (end == report.EndDone || end == report.EndDrained || end == report.EndInterrupted) && !found.Ended && found.Damage == nil {
		return fmt.Sprintf("report.json says that the run has ended (%s), and the journal has no end", end)
	}
	return ""
}
