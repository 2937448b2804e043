package session

import (
	"testing"
	"time"
)

// TestAgainIsASessionsOwn checks that who plays a client waits as a session does.
func TestAgainIsASessionsOwn(t *testing.T) {
	now := time.Unix(1, 0)
	again, own := NewAgain(30*time.Second, now), newTries(30*time.Second, now)
	if got := again.Patience(now); got != own.patience(now) {
		t.Errorf("patience is %v; a session's %v", got, own.patience(now))
	}
	served := Ended{Welcomed: true, Acked: true, Lasted: time.Second}
	for i, e := range []Ended{{}, {}, {Asked: 2 * time.Second}, served, {}, {}} {
		now = now.Add(time.Second)
		wait, over := again.Wait(now, e, 0.3)
		want, done := own.next(now, reached{e.Welcomed, e.Acked, e.Lasted}, retryable{after: e.Asked}, 0, false, 0.3)
		if wait != want || over != done || wait == 0 {
			t.Errorf("end %d: waits %v, over %t; a session %v, %t", i, wait, over, want, done)
		}
	}
	if _, over := again.Wait(now.Add(time.Hour), Ended{}, 0); over {
		t.Error("a client that was welcomed gives up")
	}
}
