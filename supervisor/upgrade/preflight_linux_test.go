package upgrade

import (
	"context"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/frozen"
)

// A program that waits for a disk cannot be killed; whoever checks it does not wait for it.
func TestAPreflightThatCannotBeKilled(t *testing.T) {
	disk := frozen.New(t)
	disk.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	checked := make(chan error, 1)
	go func() { // ends by its own bound, or with the disk's answer
		_, err := Check(ctx, []string{"/bin/sh", "-c", "echo >" + disk.Path + "/file"}, "/here")
		checked <- err
	}()
	select {
	case err := <-checked:
		if err == nil || !strings.Contains(err.Error(), "and has not ended: a disk or another device does not answer") {
			t.Errorf("Check = %v", err)
		}
	case <-time.After(time.Minute):
		disk.Thaw()
		<-checked
		t.Error("Check waits for a disk")
	}
}
