// Package schedule says in which stage of its load a consumer is, by the time since its load began
// and by whether a stage's bytes are spent. It is pure: it has no clock, and ends or begins nothing.
package schedule

import (
	"math"
	"time"

	"bulkhead/internal/workload"
)

// State is where a consumer is in its stages; the zero value is before the first.
type State struct {
	// Stage is the number of stages that have ended: the place of the current one in the list.
	Stage int
	// Writing says that the stage has begun; otherwise its pause has.
	Writing bool
	// Held says that it waits for those of other clients: neither has its pause begun.
	Held bool
	// Since is when that was, from the begin of the load.
	Since time.Duration
}

// Event is what happens to a stage.
type Event uint8

// The events.
const (
	// None is that nothing has happened yet.
	None Event = iota
	// Begin is that a stage begins, and End that one ends.
	Begin
	End
)

// Over reports whether all stages have ended.
func (s State) Over(stages workload.Stages) bool { return s.Stage >= len(stages) }

// Next returns what has happened by now, one event at a time, with the state after it: Since is when
// it happened. spent says that the bytes of the stage are written. A stage ends when its time is
// over, not when that is noticed, so consumers that began together stay together.
func (s State) Next(stages workload.Stages, now time.Duration, spent bool) (State, Event) {
	if s.Over(stages) {
		return s, None
	}
	due, ok := s.Due(stages)
	switch {
	case s.Held:
		return s, None
	case !s.Writing && now >= due:
		return State{Stage: s.Stage, Writing: true, Since: due}, Begin
	case !s.Writing:
		return s, None
	case ok && now >= due:
		return s.after(stages, due), End
	case spent && stages[s.Stage].TotalBytes > 0:
		return s.after(stages, max(now, s.Since)), End
	default:
		return s, None
	}
}

// after returns the state behind the current stage, which has ended.
func (s State) after(stages workload.Stages, end time.Duration) State {
	next := s.Stage + 1
	return State{Stage: next, Since: end, Held: next < len(stages) && stages[next].Together}
}

// Release returns the state of a stage that waits no more: its pause begins at a moment, or has begun
// then. Where its writers would have begun already, they begin now.
func (s State) Release(stages workload.Stages, moment, now time.Duration) State {
	return State{Stage: s.Stage, Since: max(moment, now-stages[s.Stage].Pause)}
}

// Due returns when the next event is, whatever is written; false if only that decides, or if there
// is none.
func (s State) Due(stages workload.Stages) (time.Duration, bool) {
	switch {
	case s.Over(stages), s.Held:
		return 0, false
	case !s.Writing:
		return s.Since + stages[s.Stage].Pause, true
	default:
		d := stages[s.Stage].Duration
		return s.Since + d, d > 0
	}
}

// Rate returns so many percent of what was written per second: of bytes in a time. It is never 0,
// which would be no limit.
func Rate(bytes uint64, in time.Duration, percent float64) uint64 {
	if in <= 0 {
		return 1
	}
	rate := math.Round(float64(bytes) / in.Seconds() * percent / 100)
	return uint64(min(max(rate, 1), workload.MaxRateBytes))
}
