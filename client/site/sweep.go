package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"bulkhead/client/names"
)

// sweepBatch is how many entries of a folder are read at a time.
const sweepBatch = 1024

// removeOurs removes the folder of a client from the one above it: what a client and its
// consumers put there, by its names, and the folders, if nothing else is in them. What
// somebody else has put there stays, with the client's record, and is named in the error,
// which then wraps ErrForeign. A folder that is gone is no error; a symbolic link in its
// place is removed and not followed. removed, if not nil, is called for everything that was.
func removeOurs(above *os.Root, name string, removed func()) error {
	info, err := above.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return gone(above.Remove(name))
	}
	var foreign []string
	err = sweep(above, name, func(folder *os.Root, e fs.DirEntry) error {
		switch {
		case e.Name() == names.Record && e.Type().IsRegular():
			return nil // the last to go: without it nobody knows whose the rest is
		case isConsumer(e):
			theirs, err := removeLoad(folder, e.Name(), 2, removed)
			foreign = append(foreign, theirs...)
			return err
		default:
			foreign = append(foreign, e.Name())
			return nil
		}
	})
	if err != nil {
		return err
	}
	if len(foreign) > 0 {
		slices.Sort(foreign)
		return fmt.Errorf("%s %w: %s", filepath.Join(above.Name(), name), ErrForeign, foreignText(foreign))
	}
	return errors.Join(gone(above.Remove(filepath.Join(name, names.Record))), gone(above.Remove(name)))
}

// isConsumer reports whether an entry of a client's folder is the folder of a consumer.
func isConsumer(e fs.DirEntry) bool {
	_, ok := names.ConsumerIn(e.Name())
	return ok && e.IsDir()
}

// removeLoad removes the folder of a consumer, and returns what in it is not the consumer's.
// It looks again, so many times, if something is left.
func removeLoad(client *os.Root, name string, again int, removed func()) (foreign []string, err error) {
	err = sweep(client, name, func(folder *os.Root, e fs.DirEntry) error {
		if !e.Type().IsRegular() || !names.IsConsumers(e.Name()) {
			foreign = append(foreign, filepath.Join(name, e.Name()))
			return nil
		}
		err := gone(folder.Remove(e.Name()))
		if err == nil && removed != nil {
			removed()
		}
		return err
	})
	if err != nil || len(foreign) > 0 {
		return foreign, err
	}
	err = gone(client.Remove(name))
	if errors.Is(err, syscall.ENOTEMPTY) && again > 0 { // some were left out while others were removed
		return removeLoad(client, name, again-1, removed)
	}
	return nil, err
}

// sweep visits what is in a folder, which is one and no link to one. It returns the first
// error of visit, after it has visited everything.
func sweep(above *os.Root, name string, visit func(folder *os.Root, e fs.DirEntry) error) error {
	folder, err := (&Site{path: above.Name(), Root: above}).openFolder(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	dir, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	var first error
	for {
		entries, err := dir.ReadDir(sweepBatch)
		for _, e := range entries {
			if err := visit(folder, e); err != nil && first == nil {
				first = err
			}
		}
		if errors.Is(err, io.EOF) {
			return first
		}
		if err != nil {
			return errors.Join(first, err)
		}
	}
}

// gone returns the error of a removal, unless the thing was gone already.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
