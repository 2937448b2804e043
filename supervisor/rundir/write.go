package rundir

import (
	"errors"
	"os"
	"path/filepath"

	"bulkhead/internal/wholefile"
)

// halfWritten begins the names of files that are being written.
const halfWritten = ".tmp-"

// RemoveHalfWritten removes what a supervisor left that was killed as it wrote a
// report.
func RemoveHalfWritten(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, halfWritten+"*"))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// WriteWhole writes a file, of this user alone, so that it appears whole or not at all, and stays when the
// machine loses its power.
func WriteWhole(path string, render func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), halfWritten+"*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	if err := render(f); err != nil {
		f.Close()
		return err
	}
	// of mode 0600; else a power cut may leave the name without the content
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return wholefile.SyncFolder(filepath.Dir(path))
}
