package watch

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestUptime(t *testing.T) {
	now := time.Now()
	u := NewUptime(now)
	for range 10 {
		now = now.Add(LookEvery)
		if lost := u.Look(now); lost != 0 {
			t.Fatalf("%s lost while it ran", lost)
		}
	}
	now = now.Add(10 * time.Second)
	if lost := u.Look(now); lost != 9*time.Second {
		t.Errorf("%s lost by a stop of 10 s; want 9 s", lost)
	}
	now = now.Add(3 * LookEvery) // slow, but running
	if lost := u.Look(now); lost != 9*time.Second {
		t.Errorf("%s lost; want 9 s as before", lost)
	}
}

func TestUptimeAfterCountsRunningTimeAlone(t *testing.T) {
	stopped := time.Now().Add(-time.Minute)
	u := NewUptime(stopped)
	u.Look(stopped) // and then nobody looks, for a minute
	called := make(chan struct{})
	u.mu.Lock()
	u.looked = time.Now()
	u.mu.Unlock()
	timer := u.After(time.Millisecond, func() { close(called) })
	defer timer.Stop()
	select {
	case <-called:
	case <-time.After(time.Minute):
		t.Fatal("never called")
	}
}

// Time that was lost to something else is added to that in which the process was not running, and the time of
// what is timed goes on by it.
func TestUptimeWithoutWhatElseIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := NewUptime(time.Now())
		var lost atomic.Int64
		u.Without(func() time.Duration { return time.Duration(lost.Load()) })
		over := time.Time{}
		u.After(2*time.Second, func() { over = time.Now() })
		began := time.Now()
		lost.Store(int64(time.Second))
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if took := over.Sub(began); took != 3*time.Second {
			t.Errorf("2 s of use, of which 1 s was lost, took %v", took)
		}
	})
}
