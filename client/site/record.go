package site

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"bulkhead/client/names"
	"bulkhead/internal/ownfile"
)

// recordMaxBytes bounds a record that is read.
const recordMaxBytes = 16 << 10

// Record says whose a client's folder is. The client that made it holds a lock on its
// file until it ends, however it ends.
type Record struct {
	// ClientID is the client's id in hex, Name its name, Run the run that it was let
	// into, empty before.
	ClientID string `json:"client_id"`
	Name     string `json:"name"`
	Run      string `json:"run,omitempty"`
	// Host, PID and Started are for people.
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// Machine, Hardware and Boot tell a machine, what it is made of, and its kernel's life
	// from others; see Origin.
	Machine  string `json:"machine,omitempty"`
	Hardware string `json:"hardware,omitempty"`
	Boot     string `json:"boot"`
	// Keep says that the files are to stay.
	Keep bool `json:"keep"`
	// Writers is the most files that any of its consumers writes at the same time; so
	// many may be unfinished if it crashes.
	Writers uint32 `json:"writers"`
}

// recordFile is the record of a client that lives. The lock is held by a file that is
// open for reading only, so that the file system can be made read-only meanwhile.
type recordFile struct {
	folder *os.Root
	lock   *os.File
	Record
}

// createRecord locks the record of a client's new folder, and writes it. Where the file
// system has no locks, the folder of a client that crashed stays.
func createRecord(folder *os.Root, r Record) (*recordFile, error) {
	file, err := folder.OpenFile(names.Record, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the client's record: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("making the client's record: %w", err)
	}
	f := &recordFile{folder: folder, Record: r}
	if f.lock, _, err = lockRecord(folder); err != nil {
		return nil, fmt.Errorf("locking the client's record: %w", err)
	}
	if err := f.write(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// enter notes the run. The record only grows, so that one write replaces it.
func (f *recordFile) enter(run string) error {
	f.Run = run
	return f.write()
}

func (f *recordFile) write() error {
	text, err := json.MarshalIndent(f.Record, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the client's record: %w", err)
	}
	file, err := ownfile.OpenIn(f.folder, names.Record, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("writing the client's record: %w", err)
	}
	_, err = file.Write(append(text, '\n'))
	_ = file.Sync() // else it may be empty when the machine's power fails; no reason to refuse a load
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing the client's record: %w", err)
	}
	return nil
}

// close gives up the lock.
func (f *recordFile) close() error { return f.lock.Close() }

// readRecord reads a record.
func readRecord(text []byte) (Record, error) {
	var r Record
	err := json.Unmarshal(text, &r)
	return r, err
}
