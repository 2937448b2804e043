package rundir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"bulkhead/internal/threads"
)

// ErrNoAnswer says that a disk has let somebody wait for too long.
var ErrNoAnswer = errors.New("the disk of the state directory does not answer")

// Disk is the disk that a folder is on, for those who want to know beforehand whether they will have
// to wait for it.
type Disk struct {
	folder string
	asked  chan struct{} // has an element while somebody waits for the disk
}

// NewDisk returns the disk that a folder is on.
func NewDisk(folder string) *Disk { return &Disk{folder: folder, asked: make(chan struct{}, 1)} }

// Answers returns nil if the disk takes what is written to it, and if no system call of this process
// waits for it or any other that did so before. It returns an error that wraps ErrNoAnswer if that is
// not so before ctx is done.
func (d *Disk) Answers(ctx context.Context) error {
	select {
	case d.asked <- struct{}{}:
	case <-ctx.Done():
		return ErrNoAnswer
	}
	written := make(chan error, 1)
	go func() { // ends when the disk answers, or with the program: nobody waits for it longer than ctx
		defer func() { <-d.asked }()
		written <- touch(d.folder)
	}()
	select {
	case err := <-written:
		if err != nil {
			return fmt.Errorf("writing to the disk of the state directory: %w", err)
		}
	case <-ctx.Done():
		return ErrNoAnswer
	}
	if n := threads.Unreturned(ctx); n > 0 {
		return fmt.Errorf("%w (system calls of the supervisor that have not returned: %d)", ErrNoAnswer, n)
	}
	return nil
}

// touch writes what nobody reads, when a folder was last changed, and makes that durable.
func touch(folder string) error {
	if err := os.Chtimes(folder, time.Time{}, time.Now()); err != nil {
		return err
	}
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written through it
	return f.Sync()
}
