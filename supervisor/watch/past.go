package watch

import (
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// PastClock tells how much time has passed between the records of a journal, and since. It
// goes by the clock that is never set. Between records of different boots, and where that
// clock was not told, the wall clock is all there is: one that was set back says no time.
type PastClock struct {
	Boot          string
	Wall, Elapsed int64 // of the newest record
	// Passed is the time since the first record, and down how much of it no supervisor was
	// there for.
	Passed, Down time.Duration
}

// See takes the next record.
func (c *PastClock) See(rec *bulkheadv1.Record) {
	boot, restarted := c.Boot, false
	switch e := rec.GetEntry().(type) {
	case *bulkheadv1.Record_RunStarted:
		boot = e.RunStarted.GetBootId()
	case *bulkheadv1.Record_SupervisorRestarted:
		boot = e.SupervisorRestarted.GetBootId()
		// An upgrade holds nobody up: connections wait at the listener.
		restarted = e.SupervisorRestarted.GetKind() != bulkheadv1.RestartKind_RESTART_KIND_UPGRADED
	}
	gap := c.until(rec.GetTimeUnixNano(), rec.GetElapsedNano(), boot)
	c.Passed += gap
	if restarted {
		c.Down += gap
	}
	c.Boot, c.Wall, c.Elapsed = boot, rec.GetTimeUnixNano(), rec.GetElapsedNano()
}

// until returns how long after the newest record two clocks showed something.
func (c *PastClock) until(wall, elapsed int64, boot string) time.Duration {
	switch {
	case c.Wall == 0:
		return 0
	case elapsed > 0 && c.Elapsed > 0 && boot != "" && boot == c.Boot:
		return time.Duration(max(elapsed-c.Elapsed, 0))
	default:
		return time.Duration(max(wall-c.Wall, 0))
	}
}

// Since returns how long ago the newest record is.
func (c *PastClock) Since(now time.Time) time.Duration {
	return c.until(now.UnixNano(), boottime.At(now), boottime.ID())
}
