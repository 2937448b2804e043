package saved

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bulkhead/supervisor/campaign"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/repeats"
	"bulkhead/supervisor/rundir"
)

// IsJob reports whether a path is the folder of a job.
func IsJob(path string) bool { return exists(filepath.Join(path, campaign.File)) }

// Job sums up the runs of the job in a folder of a state directory's jobs.
func Job(dir string) (*repeats.Summary, error) {
	c, err := campaign.Read(dir)
	if err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for the runs of a job: %w", err)
	}
	folder := filepath.Join(filepath.Dir(filepath.Dir(real)), rundir.RunsFolder)
	var runs []repeats.Run
	for _, run := range c.GetRuns() {
		one := filepath.Join(folder, filepath.Base(run.GetRunId()))
		r, err := written(one)
		if err != nil {
			runs = append(runs, repeats.Missing(run.GetRunId(), err.Error(), run.GetNumber()))
			continue
		}
		runs = append(runs, repeats.Of(r, run.GetNumber()))
	}
	return repeats.Sum(runs, max(c.GetJob().GetRepeat(), 1), c.GetFailure()), nil
}

// Runs sums up the runs in these folders, in their order. It returns a *PathError when one is no run's.
func Runs(dirs []string) (*repeats.Summary, error) {
	var runs []repeats.Run
	for i, dir := range dirs {
		r, err := written(dir)
		if err != nil {
			return nil, err
		}
		runs = append(runs, repeats.Of(r, uint32(i+1)))
	}
	return repeats.Sum(runs, 0, ""), nil
}

// written returns the report of a run as its supervisor wrote it, or else from its journal: of many runs
// nothing is read that is not needed.
func written(dir string) (*report.Report, error) {
	path := filepath.Join(dir, report.FileName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return Report(dir)
	}
	return Report(path)
}
