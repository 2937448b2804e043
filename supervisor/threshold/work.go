package threshold

import (
	"time"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Work is how a client is at work, as far as what came of it tells.
type Work struct {
	ramp       time.Duration // from its begin until its last consumer writes, and it is warm
	began      bool
	since, new time.Duration // when it began, and when something new came last
	bytes      uint64
	unreported []bool // of each stage of its load
	stage      uint32 // the newest that it was seen in
}

// Sight is what is seen of a client.
type Sight struct {
	At, Delay time.Duration // as in Moment
	Bytes     uint64        // written, in all
	Wrote     bool          // it has begun to write
	Active    bool          // it is connected
	Over      bool          // it said that its load is over
	Stuck     bool          // its storage is, as it said last
	// Stage is the newest stage that one of its consumers is in, from 1; 0 for none.
	Stage uint32
	// Waits says that it waits for other clients before a stage.
	Waits bool
}

// NewWork returns the work of a client of which nothing was seen. unreported says of each stage of its
// load whether it is in no figure that is judged.
func NewWork(load *bulkheadv1.Workload, unreported []bool) *Work {
	delay := int64(0)
	for _, c := range load.GetConsumers() {
		delay = max(delay, c.GetStartDelayNano())
	}
	delay += max(load.GetRampNano(), 0)
	return &Work{ramp: time.Duration(max(delay, load.GetWarmupNano())), unreported: unreported}
}

// Fresh reports whether what came of the client until now is of no stage that is judged, or of one that
// its first consumer has just begun: as at the begin of a load, windows begin behind it. It is told every
// sight, once. However often a client says so, it begins each stage of its load once, and one that says
// to be in a stage that it does not have is watched.
func (w *Work) Fresh(s Sight) bool {
	if len(w.unreported) == 0 || s.Over || int(s.Stage) > len(w.unreported) {
		return false
	}
	begun := s.Stage > w.stage
	w.stage = max(w.stage, s.Stage)
	if s.Waits {
		return true
	}
	if s.Stage == 0 { // one that writes and never says in which stage is watched
		return !s.Wrote
	}
	return begun || w.unreported[s.Stage-1]
}

// See returns whether all consumers of the client have begun to write, and whether it is at work. One
// of which nothing came for longer than anything is on its way has ended its load, and will say so,
// unless its storage is stuck.
func (w *Work) See(s Sight) (began, atWork bool) {
	if !w.began && s.Wrote {
		w.began, w.since, w.new = true, s.At, s.At
	}
	if s.Bytes != w.bytes {
		w.bytes, w.new = s.Bytes, s.At
	}
	began = w.began && s.At-w.since >= w.ramp
	return began, began && s.Active && !s.Over && (s.At-w.new < s.Delay || s.Stuck)
}
