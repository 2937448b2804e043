package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// notARun says what a path is that is not that of a run directory with a journal, and
// which run may be meant.
func notARun(path string) string {
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
	case isRun(filepath.Join(path, "runs", "latest")):
		return "it is a state directory; give one of its runs, such as " + inside + "runs/latest"
	case isRun(filepath.Join(path, "latest")):
		return "it is the folder of the runs; give one of them, such as " + inside + "latest"
	}
	return "it holds no journal"
}

// isRun reports whether a folder has what is left of a run: its journal, or only its report.
func isRun(path string) bool {
	for _, name := range []string{"journal", "report.json"} {
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			return true
		}
	}
	return false
}
