package saved

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bulkhead/internal/ownfile"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/rundir"
)

// Rebuilt returns the report of the run in dir, from its journal alone. It returns a
// *PathError when dir holds no journal.
func Rebuilt(dir string) (*report.Report, error) {
	journalDir := filepath.Join(dir, rundir.JournalFolder)
	if _, err := os.Stat(journalDir); absent(err) {
		return nil, notRun(dir)
	}
	return fold.FromJournal(journalDir)
}

// Report returns the report in a run directory, from its journal or else its report.json,
// or that in a file. It returns a *PathError when path holds none.
func Report(path string) (*report.Report, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, notRunOrReport(path, described(path))
	}
	if info.IsDir() {
		if exists(filepath.Join(path, rundir.JournalFolder)) {
			return Rebuilt(path)
		}
		if _, err := os.Stat(filepath.Join(path, report.FileName)); errors.Is(err, fs.ErrNotExist) {
			return nil, notRunOrReport(path, described(path))
		}
		path = filepath.Join(path, report.FileName)
	}
	f, err := ownfile.PeekThrough(path)
	if err != nil {
		return nil, notRunOrReport(path, pathless(err).Error())
	}
	defer f.Close() // read only
	r, err := report.ReadJSON(f)
	if err != nil {
		return nil, &PathError{fmt.Sprintf("%s: %v", path, err)}
	}
	return r, nil
}
