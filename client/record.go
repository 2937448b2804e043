package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// recordName is the file in a client's folder that says whose the folder is.
	recordName = "client.json"
	// recordMaxBytes bounds a record that is read.
	recordMaxBytes = 16 << 10
)

// record says whose a client's folder is. The client that made it holds a lock on its
// file until it ends, however it ends.
type record struct {
	// ClientID is the client's id in hex, Name its name, Run the run that it was let
	// into, empty before.
	ClientID string `json:"client_id"`
	Name     string `json:"name"`
	Run      string `json:"run,omitempty"`
	// Host, PID and Started are for people.
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// Machine and Boot tell a machine and its kernel's life from others; see origin.
	Machine string `json:"machine,omitempty"`
	Boot    string `json:"boot"`
	// Keep says that the files are to stay.
	Keep bool `json:"keep"`
}

// recordFile is the open record of a client that lives, with its lock.
type recordFile struct {
	file *os.File
	record
}

// createRecord writes the record into a client's new folder, and locks it. Where the
// file system has no locks, the folder of a client that crashed stays.
func createRecord(folder *os.Root, r record) (*recordFile, error) {
	file, err := folder.OpenFile(recordName, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the client's record: %w", err)
	}
	f := &recordFile{file: file, record: r}
	if _, err := lockRecord(file); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the client's record: %w", err), file.Close())
	}
	if err := f.write(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

// enter notes the run. The record only grows, so that one write replaces it.
func (f *recordFile) enter(run string) error {
	f.Run = run
	return f.write()
}

func (f *recordFile) write() error {
	text, err := json.MarshalIndent(f.record, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the client's record: %w", err)
	}
	if _, err := f.file.WriteAt(append(text, '\n'), 0); err != nil {
		return fmt.Errorf("writing the client's record: %w", err)
	}
	return nil
}

// close gives up the lock.
func (f *recordFile) close() error { return f.file.Close() }

// readRecord reads a record.
func readRecord(file io.Reader) (record, error) {
	text, err := io.ReadAll(io.LimitReader(file, recordMaxBytes))
	if err != nil {
		return record{}, err
	}
	var r record
	return r, json.Unmarshal(text, &r)
}
