package rundir

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"bulkhead/internal/testing/frozen"
)

func TestADiskAnswersOrNot(t *testing.T) {
	disk := frozen.New(t)
	d := NewDisk(disk.Path)
	ask := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return d.Answers(ctx)
	}
	if err := ask(time.Minute); err != nil {
		t.Errorf("Answers = %v", err)
	}
	disk.Freeze()
	for range 2 { // the second waits behind the first, and makes no thread wait beside it
		if err := ask(50 * time.Millisecond); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("Answers of a frozen disk = %v; want ErrNoAnswer", err)
		}
	}
	disk.Thaw()
	if err := ask(time.Minute); err != nil {
		t.Errorf("Answers of a disk that was thawed = %v", err)
	}
	d = NewDisk(disk.Path + "/none")
	if err := ask(time.Minute); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNoAnswer) {
		t.Errorf("Answers without a folder = %v", err)
	}
}
