package saved

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"bulkhead/internal/ownfile"
	"bulkhead/supervisor/journal"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// missingFrom returns how the report.json of a run's folder knows more than its journal, as
// found: records that are gone at the end of a journal leave no other trace. It returns ""
// when nothing is known to be missing: also for a folder without a report, or with one
// that cannot be read.
func missingFrom(runDir string, found journal.Report) string {
	f, err := ownfile.Peek(filepath.Join(runDir, report.FileName))
	if err != nil {
		return ""
	}
	defer f.Close() // read only
	var told struct {
		Run     struct{ End string }
		Journal struct{ Records uint64 }
	}
	if err := json.NewDecoder(f).Decode(&told); err != nil {
		return ""
	}
	if known := told.Journal.Records; known > found.Summary.Records && found.Damage == nil {
		return fmt.Sprintf("report.json was made from %s, and the journal has %d", words.Plural(known, "record"),
			found.Summary.Records)
	}
	if end := told.Run.End; (end == report.EndDone || end == report.EndDrained || end == report.EndInterrupted) &&
		!found.Ended && found.Damage == nil {
		return fmt.Sprintf("report.json says that the run has ended (%s), and the journal has no end", end)
	}
	return ""
}
