package supervisor

import (
	"context"
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

const (
	// pauseEvery is the time between two looks at whether this process runs: a pause is
	// measured up to that much too short, and never too long.
	pauseEvery = 200 * time.Millisecond
	// pauseLeast is the shortest pause that is told: a busy machine makes shorter ones.
	pauseLeast = 3 * time.Second
)

// pauses notices when this process was not running: stopped, suspended with its machine, or
// without processor time. It goes by boottime, which goes on meanwhile.
type pauses struct{ looked int64 }

// look returns how long the process was paused at least since the last look; 0 if it was not.
func (p *pauses) look(now int64) time.Duration {
	gap := time.Duration(now-p.looked) - pauseEvery
	p.looked = now
	if gap < pauseLeast {
		return 0
	}
	return gap
}

// watchPauses records the pauses of this process until ctx is done.
func (r *run) watchPauses(ctx context.Context) {
	tick := time.NewTicker(pauseEvery)
	defer tick.Stop()
	p := pauses{looked: boottime.Now()}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if paused := p.look(boottime.Now()); paused > 0 {
			r.paused(paused)
			p.looked = boottime.Now() // a slow journal is no pause
		}
	}
}

// paused journals and logs a pause that has just ended, unless the run's last record is due.
func (r *run) paused(paused time.Duration) {
	r.log.Warn("the supervisor itself did not run: it was stopped, suspended with its machine, or without processor time", "for", roughly(paused))
	r.recordUnsealed(&bulkheadv1.Record{Entry: &bulkheadv1.Record_SupervisorPaused{SupervisorPaused: &bulkheadv1.SupervisorPaused{PausedNano: int64(paused)}}})
}
