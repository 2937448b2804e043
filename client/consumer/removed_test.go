package consumer

import (
	"testing"
	"time"
)

// TestRemovalsAreTimed: each file that was made is removed, and how long that took is told, be it
// beside the writers or at the end.
func TestRemovalsAreTimed(t *testing.T) {
	folder := t.TempDir()
	p := start(t, dial(t, New(Options{})), request(folder, 4096, 8192, nil))
	p.untilFiles(20)
	p.kill(time.Minute)
	var created, removed uint64
	for _, progress := range progresses(p.orderlyEnd()) {
		for _, n := range progress.GetCreate().GetCount() {
			created += n
		}
		for _, n := range progress.GetUnlink().GetCount() {
			removed += n
		}
	}
	if created < 20 || removed != created {
		t.Errorf("%d files were created and %d removals timed", created, removed)
	}
	if left := entries(t, folder); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
