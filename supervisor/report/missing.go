package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"bulkhead/supervisor/journal"
)

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
		return fmt.Sprintf("report.json was made from %s, and the journal has %d", plural(known, "record"), found.Summary.Records)
	}
	if end := told.Run.End; (end == EndDone || end == EndDrained || end == EndInterrupted) && !found.Ended && found.Damage == nil {
		return fmt.Sprintf("report.json says that the run has ended (%s), and the journal has no end", end)
	}
	return ""
}
