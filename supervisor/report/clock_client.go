package report

import (
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// apartMost is how far the times of a client's messages may be from the clock that it
// showed in its Hello, in nanoseconds. Within that a unit is recognized.
const apartMost = int64(24 * 3600e9)

// clientClock is what the fold knows of the clocks of a client's machine.
type clientClock struct {
	axis
	wallUnit int64 // what its wall clock counts, as units; 0 is 1

	// shown is the wall clock of the Hello, or of the first message of a client that was
	// delivered later, and opened when that was by the supervisor's clock.
	shown, opened Stamp
	hello         int64 // elapsed of the Hello; 0 once it was compared

	compared bool   // with the supervisor's
	readings uint64 // of messages

	complaint string // the first of what is wrong with its times
}

// greet takes the clocks of a Hello that arrived at a moment of the supervisor's clock.
func (c *clientClock) greet(h *bulkheadv1.Hello, at Stamp) {
	c.opened = at
	if h.GetResent() {
		return // another process delivers, perhaps on another boot
	}
	wall := h.GetWallClockUnixNano()
	if unit := unitOf(wall, int64(at), apartMost); unit > 1 {
		c.complain("its Hello has the wall clock in " + unitName(unit) + ", which should be in nanoseconds")
		wall *= unit
	}
	c.shown = stampOrNone(wall)
	if e := h.GetElapsedNano(); c.shown != 0 && e > 0 && e <= maxTime {
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

// scaled is a wall clock in nanoseconds, also of a client that sends another unit.
func (c *clientClock) scaled(wall int64) int64 {
	if c.wallUnit > 1 && wall <= maxTime/c.wallUnit {
		return wall * c.wallUnit
	}
	return wall
}

// moment is a time of the client on its axis; 0 for none.
func (c *clientClock) moment(wall, elapsed int64) Stamp {
	if wall == 0 {
		return 0
	}
	return c.at(Stamp(c.scaled(wall)), elapsed)
}

// message takes the clocks of a message that arrived at a moment of the supervisor's
// clock, and returns when it was.
func (c *clientClock) message(m *bulkheadv1.Message, arrived Stamp) Stamp {
	c.judgeWall(m.GetTimeUnixNano(), arrived)
	wall, elapsed := Stamp(c.scaled(m.GetTimeUnixNano())), m.GetElapsedNano()
	if elapsed <= 0 || elapsed > maxTime {
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
func (s *sessionState) compareClocks(messages []*bulkheadv1.Message, arrived Stamp) {
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
func (s *sessionState) arrived(said, arrived Stamp) {
	s.clock.readings++
	offset := int64(said - arrived)
	if !s.clock.compared || offset > s.client.ClockOffsetNano {
		s.clock.compared = true
		s.client.ClockOffsetNano, s.line.offset = offset, offset
	}
}

// join begins the axis with the first message of a client whose Hello did not, or whose
// Hello showed another clock.
func (c *clientClock) join(wall Stamp, elapsed int64, arrived Stamp) {
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
	near := func(x int64) bool { return passed-x <= stepLeast && x-passed <= stepLeast }
	if passed < 0 && !near(byWall) || passed > 0 && !near(byWall) && passed > byArrival+stepLeast {
		c.complain("its Hello and its messages count elapsed_nano from different moments")
		c.anchor(wall, elapsed)
	}
}

// judgeWall finds out that the wall clock of messages contradicts the one that the client
// showed as it arrived.
func (c *clientClock) judgeWall(wall int64, arrived Stamp) {
	switch {
	case c.shown == 0: // a client that was delivered later, or showed none
		c.shown = Stamp(wall)
		return
	case c.wallUnit > 1:
		return
	}
	passed := max(int64(arrived-c.opened), 0)
	early, late := int64(c.shown)-apartMost, int64(c.shown)+passed+apartMost
	if wall >= early && wall <= late {
		return
	}
	if unit := unitOf(wall, int64(c.shown)+passed/2, apartMost+passed/2); unit > 1 {
		c.wallUnit = unit
		c.complain("its messages have their time in " + unitName(unit) + ", which should be in nanoseconds: its Hello showed " + stampText(c.shown) +
			"; they are taken as " + unitName(unit))
		return
	}
	c.complain("its messages contradict its Hello, which showed " + stampText(c.shown) + ": one is of " + stampText(Stamp(wall)))
}

// judgeElapsed finds out that a client does not count nanoseconds in what should be them:
// both its own wall clock and the arrival of its messages say so.
func (c *clientClock) judgeElapsed(wall Stamp, elapsed int64, arrived Stamp) {
	passed, byArrival := int64(wall-c.wall), int64(arrived-c.opened)
	if c.unit > 1 || passed < unitLeast || byArrival < passed/10*9 {
		return
	}
	if unit := unitOf(elapsed-c.elapsed, passed, passed/10); unit > 1 {
		c.complain("its messages have elapsed_nano in " + unitName(unit) + ", which should be in nanoseconds; they are taken as that")
		c.unit, c.newest, c.suspect, c.ahead = unit, c.elapsed, false, 0
		c.steps, c.leftOut = nil, 0
	}
}

// stampText is a moment as a finding says it.
func stampText(s Stamp) string { return s.utc().Format("2006-01-02 15:04:05") + " UTC" }
