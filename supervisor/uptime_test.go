package supervisor

import (
	"testing"
	"time"
)

func TestUptime(t *testing.T) {
	now := time.Now()
	u := newUptime(now)
	for range 10 {
		now = now.Add(lookEvery)
		if lost := u.look(now); lost != 0 {
			t.Fatalf("%s lost while it ran", lost)
		}
	}
	now = now.Add(10 * time.Second)
	if lost := u.look(now); lost != 9*time.Second {
		t.Errorf("%s lost by a stop of 10 s; want 9 s", lost)
	}
	now = now.Add(3 * lookEvery) // slow, but running
	if lost := u.look(now); lost != 9*time.Second {
		t.Errorf("%s lost; want 9 s as before", lost)
	}
}

func TestUptimeAfterCountsRunningTimeAlone(t *testing.T) {
	stopped := time.Now().Add(-time.Minute)
	u := newUptime(stopped)
	u.look(stopped) // and then nobody looks, for a minute
	called := make(chan struct{})
	u.mu.Lock()
	u.looked = time.Now()
	u.mu.Unlock()
	timer := u.after(time.Millisecond, func() { close(called) })
	defer timer.Stop()
	select {
	case <-called:
	case <-time.After(time.Minute):
		t.Fatal("never called")
	}
}
