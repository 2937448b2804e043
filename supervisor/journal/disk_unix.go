//go:build unix

package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bulkhead/internal/flock"
	"bulkhead/internal/ownfile"
	"bulkhead/internal/wholefile"
)

const lockName = "lock"

// disk is what a writer needs of a journal's folder. There is one implementation,
// folder; tests wrap it to make its calls fail or wait.
type disk interface {
	// create makes a new, empty segment file.
	create(name string) (segmentFile, error)
	// open opens an existing segment file for writing at its end.
	open(name string) (segmentFile, error)
	// sync makes the names of the files durable.
	sync() error
	// gains returns why zeros written ahead would gain nothing, or nil.
	gains() error
}

// segmentFile is what a writer needs of a segment file.
type segmentFile interface {
	// Write continues where the last one ended: first at the end of the file, and after a
	// Truncate there.
	Write(p []byte) (int, error)
	// Sync forces everything written, and the file's size, to storage.
	Sync() error
	Truncate(size int64) error
	Close() error

	// Zero writes zeros, and SyncZeros forces them to storage. Both may be called beside the
	// others, and neither moves where Write continues.
	Zero(from, to int64) error
	SyncZeros() error
}

// folder is a journal's folder on disk.
type folder string

func (d folder) create(name string) (segmentFile, error) {
	return d.segmentFileAt(name, os.O_CREATE|os.O_EXCL)
}

func (d folder) open(name string) (segmentFile, error) { return d.segmentFileAt(name, 0) }

func (d folder) sync() error { return syncFolder(string(d)) }

// syncFolder makes the entries of a folder durable.
func syncFolder(dir string) error { return wholefile.SyncFolder(dir) }

// makeFolder makes a journal's folder durable in its parent, if it is not there yet.
func makeFolder(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making journal folder: %w", err)
	}
	if err := syncFolder(filepath.Dir(filepath.Clean(dir))); err != nil {
		return fmt.Errorf("making journal folder: %w", err)
	}
	return nil
}

// lockFolder claims a journal's folder for one writer, until the returned file is
// closed or the process ends. It returns ErrLocked when another has it.
func lockFolder(dir string) (*os.File, error) {
	f, err := ownfile.Open(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking journal: %w", err)
	}
	err = flock.Try(f)
	if errors.Is(err, flock.ErrHeld) {
		err = ErrLocked
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), f.Close())
	}
	return f, nil
}
