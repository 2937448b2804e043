package supervisor

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Handlers are adopted many at a time, and no more: each has only so long to answer.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, each = 3, time.Second
		var running, done atomic.Int32
		begin := time.Now()
		together(most, make([]int, 10), func(int) {
			if n := running.Add(1); n > most {
				t.Errorf("%d at the same time; want %d", n, most)
			}
			time.Sleep(each)
			running.Add(-1)
			done.Add(1)
		})
		if n, took := done.Load(), time.Since(begin); n != 10 || took != 4*each {
			t.Errorf("%d of 10 calls in %s; want all in %s", n, took, 4*each)
		}
	})
}
