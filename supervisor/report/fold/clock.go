package fold

import (
	"slices"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// axis makes one time that never steps of the two clocks of a machine: it shows what the
// wall clock showed at the first reading, and continues from there by the clock that is never
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

// at returns the moment at which the two clocks showed wall and elapsed; an elapsed of 0 was not
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

// exit returns the moment of a time that a process told; 0 if it is impossible.
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

// unitOf returns the unit, in nanoseconds, of a number that should mean about the moment is: 1
// where it may be nanoseconds. within is how far it may be from that.
func unitOf(number, is, within int64) int64 {
	for _, u := range units {
		if number > 0 && number <= report.MaxTime/u.nano && number*u.nano-is <= within && is-number*u.nano <= within {
			return u.nano
		}
	}
	return 1
}

// unitName returns the name of a unit.
func unitName(nano int64) string {
	for _, u := range units {
		if u.nano == nano {
			return u.name
		}
	}
	return "nanoseconds"
}

// clientClock is what the fold knows of the clocks of a client's machine.
type clientClock struct {
	axis
	wallUnit int64 // what its wall clock counts, as units; 0 is 1

	// shown is the wall clock of the Hello, or of the first message of a client that was
	// delivered later, and opened when that was by the supervisor's clock.
	shown, opened report.Stamp
	hello         int64 // elapsed of the Hello; 0 once it was compared

	compared bool   // with the supervisor's
	readings uint64 // of messages

	complaint string // the first of what is wrong with its times
}

// greet takes the clocks of a Hello that arrived at a moment of the supervisor's clock.
func (c *clientClock) greet(h *bulkheadv1.Hello, at report.Stamp) {
	c.opened = at
	if h.GetResent() {
		return // another process delivers, perhaps on another boot
	}
	wall := h.GetWallClockUnixNano()
	if unit := unitOf(wall, int64(at), report.ApartMost); unit > 1 {
		c.complain("its Hello has the wall clock in " + unitName(unit) + ", which should be in nanoseconds")
		wall *= unit
	}
	c.shown = stampOrNone(wall)
	if e := h.GetElapsedNano(); c.shown != 0 && e > 0 && e <= report.MaxTime {
		c.anchor(c.shown, e)
		c.hello = e
	}
}

// complain keeps the first of what is wrong with a client's times.
func (c *clientClock) complain(text string) {
	if c.complaint == "" {
		c.complaint = text
	}
}

// scaled returns a wall clock in nanoseconds, also of a client that sends another unit.
func (c *clientClock) scaled(wall int64) int64 {
	if c.wallUnit > 1 && wall <= report.MaxTime/c.wallUnit {
		return wall * c.wallUnit
	}
	return wall
}

// moment returns a time of the client on its axis; 0 for none.
func (c *clientClock) moment(wall, elapsed int64) report.Stamp {
	if wall == 0 {
		return 0
	}
	return c.at(report.Stamp(c.scaled(wall)), elapsed)
}

// message takes the clocks of a message that arrived at a moment of the supervisor's
// clock, and returns when it was.
func (c *clientClock) message(m *bulkheadv1.Message, arrived report.Stamp) report.Stamp {
	c.judgeWall(m.GetTimeUnixNano(), arrived)
	wall, elapsed := report.Stamp(c.scaled(m.GetTimeUnixNano())), m.GetElapsedNano()
	if elapsed <= 0 || elapsed > report.MaxTime {
		return c.at(wall, 0)
	}
	c.join(wall, elapsed, arrived)
	c.judgeElapsed(wall, elapsed, arrived)
	c.look(wall, elapsed)
	return c.at(wall, elapsed)
}

// compareClocks moves the session on the supervisor's axis to where the least delayed of
// its messages puts it: no message arrives before it was sent. A batch counts before its
// messages are placed.
func (s *sessionState) compareClocks(messages []*bulkheadv1.Message, arrived report.Stamp) {
	if s.client.Resent {
		return // long after it was said
	}
	for _, m := range messages {
		if m.GetElapsedNano() > 0 && saneTime(m.GetTimeUnixNano()) {
			s.arrived(s.clock.message(m, arrived), arrived)
		}
	}
}

// arrived takes what the client said at a moment of its axis and what arrived at one of the
// supervisor's.
func (s *sessionState) arrived(said, arrived report.Stamp) {
	s.clock.readings++
	offset := int64(said - arrived)
	if !s.clock.compared || offset > s.client.ClockOffsetNano {
		s.clock.compared = true
		s.client.ClockOffsetNano, s.line.offset = offset, offset
	}
}

// join begins the axis with the first message of a client whose Hello did not, or whose
// Hello showed another clock.
func (c *clientClock) join(wall report.Stamp, elapsed int64, arrived report.Stamp) {
	hello := c.hello
	c.hello = 0
	if !c.known {
		c.anchor(wall, elapsed)
		return
	}
	if hello == 0 {
		return
	}
	passed := elapsed - hello
	byWall, byArrival := int64(wall-c.wall), int64(arrived-c.opened)
	near := func(x int64) bool { return passed-x <= report.StepLeast && x-passed <= report.StepLeast }
	if passed < 0 && !near(byWall) || passed > 0 && !near(byWall) && passed > byArrival+report.StepLeast {
		c.complain("its Hello and its messages count elapsed_nano from different moments")
		c.anchor(wall, elapsed)
	}
}

// judgeWall finds out that the wall clock of messages contradicts the one that the client
// showed as it arrived.
func (c *clientClock) judgeWall(wall int64, arrived report.Stamp) {
	switch {
	case c.shown == 0: // a client that was delivered later, or showed none
		c.shown = report.Stamp(wall)
		return
	case c.wallUnit > 1:
		return
	}
	passed := max(int64(arrived-c.opened), 0)
	early, late := int64(c.shown)-report.ApartMost, int64(c.shown)+passed+report.ApartMost
	if wall >= early && wall <= late {
		return
	}
	if unit := unitOf(wall, int64(c.shown)+passed/2, report.ApartMost+passed/2); unit > 1 {
		c.wallUnit = unit
		c.complain("its messages have their time in " + unitName(unit) +
			", which should be in nanoseconds: its Hello showed " + words.Stamp(c.shown) +
			"; they are taken as " + unitName(unit))
		return
	}
	c.complain("its messages contradict its Hello, which showed " + words.Stamp(c.shown) + ": one is of " +
		words.Stamp(report.Stamp(wall)))
}

// judgeElapsed finds out that a client does not count nanoseconds in what should be them:
// both its own wall clock and the arrival of its messages say so.
func (c *clientClock) judgeElapsed(wall report.Stamp, elapsed int64, arrived report.Stamp) {
	passed, byArrival := int64(wall-c.wall), int64(arrived-c.opened)
	if c.unit > 1 || passed < report.UnitLeast || byArrival < passed/10*9 {
		return
	}
	if unit := unitOf(elapsed-c.elapsed, passed, passed/10); unit > 1 {
		c.complain("its messages have elapsed_nano in " + unitName(unit) +
			", which should be in nanoseconds; they are taken as that")
		c.unit, c.newest, c.suspect, c.ahead = unit, c.elapsed, false, 0
		c.steps, c.leftOut = nil, 0
	}
}
