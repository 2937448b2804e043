package faults_test

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/testing/harness/expect"
)

// A supervisor that is killed at any moment of an upgrade, again and again, is followed
// by one that continues: by the old program or by the new one, over the same connections.
func TestKilledInUpgrades(t *testing.T) {
	t.Parallel()
	const times, longest = 8, 250 * time.Millisecond
	w := newWorld(t, settings{clients: 3})
	for _, name := range []string{"a", "b", "c"} {
		expect.NoError(t, w.sender(name, w.Addr, nil).GoesOn(patience))
	}
	random := rand.New(rand.NewPCG(killSeed, 1000))
	var lived []time.Duration
	for range times {
		d := time.Duration(random.Int64N(int64(longest)))
		lived = append(lived, d)
		expect.NoError(t, w.Signal(syscall.SIGHUP))
		time.Sleep(d) // it is not awaited that it comes anywhere
		w.Kill()
		w.again(false)
	}
	t.Logf("seed %d: killed after %v", killSeed, lived)
	for _, s := range w.senders {
		expect.NoError(t, s.GoesOn(patience))
		s.Finish()
	}
	for _, s := range w.senders {
		expect.NoError(t, s.AwaitEnd(patience))
	}
	rep := w.finish(exitComplete)
	for _, s := range w.senders {
		undisturbed(t, rep, s)
	}
	if n := len(rep.Run.Restarts); n < times {
		t.Errorf("the report tells of %d restarts; want at least %d", n, times)
	}
}
