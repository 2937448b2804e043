package supervisor

import (
	"context"
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/watch"
)

// watchPauses records the pauses of this process until ctx is done.
func (r *run) watchPauses(ctx context.Context) {
	tick := time.NewTicker(watch.PauseEvery)
	defer tick.Stop()
	p := watch.NewPauses(boottime.Now())
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if paused := p.Look(boottime.Now()); paused > 0 {
			r.paused(paused)
			p.Begin(boottime.Now()) // a slow journal is no pause
		}
	}
}

// paused journals and logs a pause that has just ended, unless the run's last record is due.
func (r *run) paused(paused time.Duration) {
	r.log.Warn(
		"the supervisor itself did not run: it was stopped, suspended with its machine, or without processor time",
		"for", roughly(paused))
	r.recordUnsealed(&bulkheadv1.Record{
		Entry: &bulkheadv1.Record_SupervisorPaused{
			SupervisorPaused: &bulkheadv1.SupervisorPaused{PausedNano: int64(paused)}}})
}
