package threads

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bulkhead/internal/testing/frozen"
)

// A system call that does not return is found, and waited for. One after the other that does is no
// reason to wait.
func TestUnreturned(t *testing.T) {
	disk := frozen.New(t)
	busy, stop := context.WithCancel(t.Context())
	idle := make(chan error, 1)
	go func() { // ends with busy
		f, err := os.Create(filepath.Join(disk.Path, "busy"))
		for err == nil && busy.Err() == nil {
			_, err = f.Write([]byte("x"))
			err = errors.Join(err, f.Sync())
		}
		idle <- errors.Join(err, f.Close())
	}()
	unreturned := func(within time.Duration) int {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return Unreturned(ctx)
	}
	const patience = time.Minute
	if n := unreturned(patience); n != 0 {
		t.Errorf("%d system calls have not returned on a busy disk", n)
	}
	stop()
	if err := <-idle; err != nil {
		t.Fatal(err)
	}
	disk.Freeze()
	written := make(chan error, 1)
	go func() { // ends when the disk is thawed
		written <- os.WriteFile(filepath.Join(disk.Path, "file"), []byte("x"), 0o600)
	}()
	for end := time.Now().Add(patience); unreturned(lookAgain/2) != 1; {
		if time.Now().After(end) {
			t.Fatal("a write to a frozen disk is not found")
		}
	}
	thawed := make(chan int, 1)
	go func() { thawed <- unreturned(patience) }() // ends with the write
	select {
	case n := <-thawed:
		t.Errorf("%d system calls have not returned; want a wait for the one", n)
	case err := <-written:
		t.Errorf("a frozen disk was written to: %v", err)
	case <-time.After(10 * lookAgain):
	}
	disk.Thaw()
	if n, err := <-thawed, <-written; n != 0 || err != nil {
		t.Errorf("%d system calls have not returned from a disk that was thawed, %v", n, err)
	}
}
