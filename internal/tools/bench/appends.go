package main

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// appends are how many records are made durable, one after the other.
const appends = 200

// appended is how long a record of recordBytes takes to be durable at the end of a file, ms.
type appended struct {
	fsync, fdatasync float64 // the file grows
	zeroes           float64 // fdatasync; the file was written before, with zeroes
}

// append measures the disk itself.
func (b *bench) append() (out appended, err error) {
	path := filepath.Join(b.dir, "appends")
	defer os.Remove(path)
	for _, way := range []struct {
		to   *float64
		long int
		sync func(int) error
	}{{&out.fsync, 0, unix.Fsync}, {&out.fdatasync, 0, unix.Fdatasync}, {&out.zeroes, zeroed, unix.Fdatasync}} {
		if err := writeZeroes(path, way.long); err != nil {
			return out, err
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return out, err
		}
		var all spread
		record := make([]byte, recordBytes)
		record[0] = 1
		for range appends {
			began := time.Now()
			_, e := f.Write(record)
			err = errors.Join(err, e, way.sync(int(f.Fd())))
			all = append(all, float64(time.Since(began).Microseconds())/1e3)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return out, err
		}
		*way.to = all.median()
	}
	return out, nil
}

// writeZeroes writes a file of zeroes, durably.
func writeZeroes(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, n))
	return errors.Join(err, f.Sync(), f.Close())
}
