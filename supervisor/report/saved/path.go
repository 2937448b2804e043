package saved

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"bulkhead/supervisor/report"
	"bulkhead/supervisor/rundir"
)

// PathError says that a path leads to nothing of the kind that was asked for.
type PathError struct{ text string }

// Error returns what the path is instead, and which one may be meant.
func (e *PathError) Error() string { return e.text }

// notRun returns that path is not a run directory, and what it is.
func notRun(path string) error {
	return &PathError{fmt.Sprintf("%s is not a run directory: %s", path, described(path))}
}

// notRunOrReport returns that path is neither a run directory nor a report.
func notRunOrReport(path, why string) error {
	return &PathError{fmt.Sprintf("%s is neither a run directory nor a %s: %s", path, report.FileName, why)}
}

// described returns what a path is that is not that of a run directory with a journal, and
// which run may be meant.
func described(path string) string {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return "it is a link to something that is not there"
		}
		return "there is no such file or folder"
	}
	if err != nil {
		return pathless(err).Error()
	}
	if !info.IsDir() {
		return "it is a file"
	}
	inside := strings.TrimRight(path, "/") + "/" // not cleaned: ./-x would become a flag
	if _, err := os.Stat(filepath.Join(path, "00000001.seg")); err == nil {
		return "it is the journal of a run; give the run directory that it is in"
	}
	switch {
	case isRun(filepath.Join(path, rundir.RunsFolder, rundir.LatestLink)):
		return "it is a state directory; give one of its runs, such as " + inside + "runs/latest"
	case isRun(filepath.Join(path, rundir.LatestLink)):
		return "it is the folder of the runs; give one of them, such as " + inside + "latest"
	}
	return "it holds no journal"
}

// isRun reports whether a folder has what is left of a run: its journal, or only its report.
func isRun(path string) bool {
	return exists(filepath.Join(path, rundir.JournalFolder)) || exists(filepath.Join(path, report.FileName))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// absent reports whether an error of the system means that a file does not exist.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }

// pathless returns an error about a path without the path.
func pathless(err error) error {
	var about *fs.PathError
	if errors.As(err, &about) {
		return about.Err
	}
	return err
}
