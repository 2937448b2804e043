package consumer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestCrowding writes what the kernel would say of two threads.
func TestCrowding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		waits := func(first, second time.Duration) {
			for i, d := range []time.Duration{first, second} {
				text := fmt.Sprintf("123456 %d 7\n", d.Nanoseconds())
				if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i)), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		c := &crowding{threads: filepath.Join(folder, "*")}
		waits(time.Hour, time.Hour)
		if c.now() {
			t.Error("crowded before anything is known")
		}
		for i, step := range []struct {
			first, second time.Duration
			passed        time.Duration
			want          bool
		}{
			{time.Hour, time.Hour, time.Second, false},
			{time.Hour + 150*time.Millisecond, time.Hour, time.Second, false},
			{time.Hour + 300*time.Millisecond, time.Hour + 100*time.Millisecond, time.Second, true},
			{2 * time.Hour, 2 * time.Hour, time.Millisecond, true}, // too early to look again
			{time.Hour, time.Hour, time.Second, false},             // threads have ended
			{time.Hour, time.Hour + 900*time.Millisecond, time.Second, true},
		} {
			waits(step.first, step.second)
			time.Sleep(step.passed)
			if got := c.now(); got != step.want {
				t.Errorf("step %d: crowded is %v", i, got)
			}
		}
		waits(2*time.Hour, 2*time.Hour)
		c.mu.Lock() // as one that is finding out, and is held up
		time.Sleep(time.Second)
		if !c.now() {
			t.Error("not what was found out last")
		}
		c.took = time.Second
		c.mu.Unlock()
		waits(time.Hour, time.Hour)
		time.Sleep(400 * time.Second)
		if !c.now() {
			t.Error("it is looked at again after 400 s, although that takes a second")
		}
		time.Sleep(200 * time.Second)
		if c.now() {
			t.Error("not looked at again")
		}
	})
}

func TestKernelSaysHowLongThreadsWait(t *testing.T) {
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("this kernel does not say how long threads wait for a processor")
	}
	if newCrowding().waits() <= 0 {
		t.Error("no thread of this process ever waited for a processor")
	}
}

// TestRemovalOfACrowdedConsumer makes removals take long, and leaves no processor for them: no file
// is begun while there is one to be removed.
func TestRemovalOfACrowdedConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScriptedDisk(slow(func(c call) (int, error) {
			if c.op == "remove" {
				time.Sleep(3 * time.Millisecond)
			}
			return 0, nil
		}))
		c := newConsumer(Options{}, d)
		c.crowded = func() bool { return true }
		stream := &heldStream{ctx: t.Context()}
		ended := make(chan error, 1)
		go func() {
			ended <- c.Run(request("/", 1000, 2500,
				func(task *bulkheadv1.ConsumerTask) { task.ProgressIntervalNano = int64(time.Hour) }), stream)
		}()
		time.Sleep(600 * time.Millisecond)
		kill(t, c, 0)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if _, ever := d.left(); ever != 3 {
			t.Errorf("%d files at most, want 2 that are kept and one in progress", ever)
		}
		if files := len(rollovers(stream.sent())); files < 95 || files > 105 {
			t.Errorf("%d files of 3 ms, each after a removal of 3 ms, in 0.6 s", files)
		}
	})
}
