package fold

import (
	"slices"

	"bulkhead/supervisor/report"
)

// axis makes one time that never steps of the two clocks of a machine: it shows what the
// wall clock showed at the first reading, and goes on from there by the clock that is never
// set. Who told only a wall clock has that one. The zero value has seen nothing.
type axis struct {
	known   bool
	wall    report.Stamp // at the first reading
	elapsed int64        // at the first reading
	unit    int64        // nanoseconds in one of what elapsed counts; 0 is 1

	newest int64 // elapsed of the newest reading
	ahead  int64 // how far the wall clock was ahead of the axis then

	// A step counts when two readings in a row show it.
	suspect   bool
	suspectAt report.Stamp
	suspected int64 // ahead

	steps   []report.ClockStep
	leftOut uint64
}

// anchor begins the axis, or begins it anew, at a moment of which both clocks are known.
func (a *axis) anchor(wall report.Stamp, elapsed int64) {
	*a = axis{known: true, wall: wall, elapsed: elapsed, newest: elapsed, unit: 1, steps: a.steps, leftOut: a.leftOut}
}

// at is the moment at which the two clocks showed wall and elapsed; 0 for elapsed is not
// told.
func (a *axis) at(wall report.Stamp, elapsed int64) report.Stamp {
	if !a.known || elapsed <= 0 {
		return max(wall-report.Stamp(a.ahead), min(wall, 1))
	}
	d := elapsed - a.elapsed
	if d > report.MaxTime/a.unit || d < -report.MaxTime/a.unit {
		return wall
	}
	if at := int64(a.wall) + d*a.unit; saneTime(at) {
		return report.Stamp(at)
	}
	return wall
}

// exit is at for a time of a process; 0 if it is none that can be.
func (a *axis) exit(wall, elapsed int64) report.Stamp {
	if !saneTime(wall) {
		return 0
	}
	return a.at(report.Stamp(wall), elapsed)
}

// look compares the two clocks, and finds out when the wall clock was set. Readings that
// are older than another one say nothing.
func (a *axis) look(wall report.Stamp, elapsed int64) {
	if !a.known || elapsed <= a.newest {
		return
	}
	at := a.at(wall, elapsed)
	ahead := int64(wall - at)
	tolerance := report.StepLeast + (elapsed-a.newest)/report.SlewMost*a.unit
	near := func(x, y int64) bool { return x-y <= tolerance && y-x <= tolerance }
	a.newest = elapsed
	switch {
	case near(ahead, a.ahead):
		a.ahead, a.suspect = ahead, false
	case a.suspect && near(ahead, a.suspected):
		if len(a.steps) < report.MaxSteps {
			a.steps = append(a.steps, report.ClockStep{At: a.suspectAt, ByNano: a.suspected - a.ahead})
		} else {
			a.leftOut++
		}
		a.ahead, a.suspect = ahead, false
	default:
		a.suspect, a.suspectAt, a.suspected = true, at, ahead
	}
}

// moved returns the steps on a clock that reads offset nanoseconds less.
func (a *axis) moved(offset int64) []report.ClockStep {
	list := slices.Clone(a.steps)
	for i := range list {
		list[i].At -= report.Stamp(offset)
	}
	return list
}

// units are what a number may count that should be nanoseconds, by how many of those.
var units = []struct {
	nano int64
	name string
}{{1e3, "microseconds"}, {1e6, "milliseconds"}, {1e9, "seconds"}}

// unitOf says what a number counts that should be about is in nanoseconds, by how many of
// those: 1 where it may be nanoseconds. within is how far it may be from that.
func unitOf(number, is, within int64) int64 {
	for _, u := range units {
		if number > 0 && number <= report.MaxTime/u.nano && number*u.nano-is <= within && is-number*u.nano <= within {
			return u.nano
		}
	}
	return 1
}

// unitName is the name of a unit.
func unitName(nano int64) string {
	for _, u := range units {
		if u.nano == nano {
			return u.name
		}
	}
	return "nanoseconds"
}
