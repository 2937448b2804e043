package rundir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bulkhead/internal/child"
)

// Roster is the folder of a run that names its live handlers: a file for each that
// holds a client's socket. Another supervisor finds them there. The files are not
// synced: they are for a supervisor that was killed, and no handler outlives the
// machine.
type Roster string

// rosterSuffix ends the name of a complete file; its stem is the connection's number.
const rosterSuffix = ".json"

// halfSuffix ends the name of a file that is being written.
const halfSuffix = ".new"

// Rostered is one file: what it takes to take a handler up again.
type Rostered struct {
	Connection uint64       `json:"connection"`
	Peer       string       `json:"peer"`
	Child      child.Record `json:"child"`
}

func (r Roster) Path(connection uint64) string {
	return filepath.Join(string(r), strconv.FormatUint(connection, 10)+rosterSuffix)
}

// Add writes a file, whole or not at all.
func (r Roster) Add(h Rostered) error {
	data, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("noting handler %d: %w", h.Child.Pid, err)
	}
	path := r.Path(h.Connection)
	fresh := path + halfSuffix
	err = os.WriteFile(fresh, data, 0o600)
	if errors.Is(err, fs.ErrNotExist) { // the folder was removed
		os.Mkdir(string(r), 0o755)
		err = os.WriteFile(fresh, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("noting handler %d: %w", h.Child.Pid, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		os.Remove(fresh)
		return fmt.Errorf("noting handler %d: %w", h.Child.Pid, err)
	}
	return nil
}

// Remove forgets a handler; it is fine if it was never noted.
func (r Roster) Remove(connection uint64) error {
	if err := os.Remove(r.Path(connection)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting a handler: %w", err)
	}
	return nil
}

// Sweep removes files that a supervisor before this one did not get to complete.
func (r Roster) Sweep() error {
	half, err := filepath.Glob(filepath.Join(string(r), "*"+halfSuffix))
	for _, path := range half {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return fmt.Errorf("clearing the handlers of a run: %w", err)
	}
	return nil
}

// List reads all files. What is not one is passed over and named in bad.
func (r Roster) List() (found []Rostered, bad []error, err error) {
	entries, err := os.ReadDir(string(r))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the handlers of a run: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), rosterSuffix) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(string(r), e.Name()))
		var h Rostered
		if err == nil {
			err = json.Unmarshal(data, &h)
		}
		if err == nil && r.Path(h.Connection) != filepath.Join(string(r), e.Name()) {
			err = fmt.Errorf("it is about connection %d", h.Connection)
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", e.Name(), err))
			continue
		}
		found = append(found, h)
	}
	return found, bad, nil
}
