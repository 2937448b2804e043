package watch

import (
	"time"
)

const (
	// PauseEvery is the time between two looks at whether this process runs: a pause is
	// measured up to that much too short, and never too long.
	PauseEvery = 200 * time.Millisecond
	// pauseLeast is the shortest pause that is told: a busy machine makes shorter ones.
	pauseLeast = 3 * time.Second
)

// Pauses notices when this process was not running: stopped, suspended with its machine, or
// without processor time. It goes by boottime, which continues meanwhile.
type Pauses struct{ looked int64 }

// Look returns how long the process was paused at least since the last look; 0 if it was not.
func (p *Pauses) Look(now int64) time.Duration {
	gap := time.Duration(now-p.looked) - PauseEvery
	p.looked = now
	if gap < pauseLeast {
		return 0
	}
	return gap
}

// NewPauses begins to look at now, by boottime.
func NewPauses(now int64) *Pauses { return &Pauses{looked: now} }

// Begin begins anew at now: the time before it counts as none in which the process was paused.
func (p *Pauses) Begin(now int64) { p.looked = now }
