package agent

import "time"

// What a supervisor can have an agent do without end is bounded: loads that are checked, clients that end
// at once, and lines of the log.
const (
	takeEvery, takeBurst   = time.Second, 64
	beginEvery, beginBurst = time.Second, 32
	sayEvery, sayBurst     = 10 * time.Second, 16
)

// pace lets so many things happen in a row, and then one in each interval.
type pace struct {
	every time.Duration
	burst int
	next  time.Time // until when those are paid for that have happened
}

// may reports whether one more may happen now, and counts it.
func (p *pace) may(now time.Time) bool {
	if first := now.Add(-p.every * time.Duration(p.burst-1)); p.next.Before(first) {
		p.next = first
	}
	if p.next.After(now) {
		return false
	}
	p.next = p.next.Add(p.every)
	return true
}
