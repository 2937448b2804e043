package joined

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bulkhead/internal/ownfile"
)

// File is in the folder of a run that is on an engine.
const File = "engine.json"

// marked is what it holds.
type marked struct {
	// Supervisor is the number that the supervisor of this folder had last; 0 for none.
	Supervisor uint32 `json:"supervisor"`
}

// IsOn reports whether the run of a folder is on an engine.
func IsOn(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, File))
	return err == nil
}

// mark returns the number that the supervisor had last in the run of a folder; 0 for none. From then on
// the run is known to be on an engine.
func mark(dir string) (uint32, error) {
	var m marked
	data, err := os.ReadFile(filepath.Join(dir, File))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, setMark(dir, 0)
	case err == nil:
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", filepath.Join(dir, File), err)
	}
	return m.Supervisor, nil
}

func setMark(dir string, supervisor uint32) error {
	data, err := json.Marshal(marked{supervisor})
	if err != nil {
		return err
	}
	return ownfile.Write(filepath.Join(dir, File), append(data, '\n'), 0o600)
}
