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

// mark returns what the folder of a run has. From then on the run is known to be on an engine.
func mark(dir string) (marked, error) {
	var m marked
	path := filepath.Join(dir, File)
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, m.write(dir)
	case err == nil:
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return m, fmt.Errorf("reading %s: %w", path, err)
	}
	return m, nil
}

func (m marked) write(dir string) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return ownfile.Write(filepath.Join(dir, File), append(data, '\n'), 0o600)
}
