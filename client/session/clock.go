package session

import (
	"time"

	"bulkhead/internal/boottime"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Clock is how far the supervisor's clock that is never set is from this machine's.
type Clock struct {
	// RoundTrip is the shortest that was measured; 0 if none was. Ahead is right to within half of it.
	RoundTrip time.Duration
	// Ahead is the supervisor's clock less this one.
	Ahead time.Duration
	// Measured is how many echoes it comes from.
	Measured int
}

// moment is one by both clocks of this machine that are never set: that of Go, and boottime's.
type moment struct {
	at      time.Time
	elapsed int64
}

// named is a frame that names a moment: a Begin, or a StageBegin.
type named interface {
	GetInNano() int64
	GetAtElapsedNano() int64
}

// begin returns when the load, or its stage, begins by a frame that came at a moment.
func (c Clock) begin(b named, came moment) time.Time {
	return came.at.Add(c.until(b, came.elapsed))
}

// until returns how long after the frame came, at a moment of this machine's clock, that is.
func (c Clock) until(b named, came int64) time.Duration {
	told := time.Duration(min(max(b.GetInNano(), 0), int64(beginMost)))
	if c.RoundTrip == 0 || b.GetAtElapsedNano() <= 0 || came <= 0 {
		return told
	}
	// The frame took some time, so the moment is nearer than it said; but never by more than that.
	left := time.Duration(b.GetAtElapsedNano()-came) - c.Ahead
	return max(min(left, told), 0)
}

// beginMost bounds how long a load may be told to wait for.
const beginMost = time.Hour

const (
	// echoSoon is the time between the first echoes of a connection, of which there are echoFirst, and
	// echoLater between those that follow: two clocks drift apart.
	echoSoon  = 20 * time.Millisecond
	echoFirst = 10
	echoLater = time.Second
	// echoKept is how many echoes count.
	echoKept = 16
)

// echoes makes a connection's Clock of the answers to its Echoes. It is the receiver's.
type echoes struct {
	samples []Clock // the newest, at most echoKept
}

// take takes an answer that came at a moment of this machine's clock, to the Echo that was sent last.
// It returns false for one that cannot be.
func (e *echoes) take(answer *bulkheadv1.Echo, sent, came int64) (Clock, bool) {
	there := answer.GetAnsweredElapsedNano() - answer.GetCameElapsedNano()
	trip := came - sent - there
	if sent == 0 || answer.GetSentElapsedNano() != sent || answer.GetCameElapsedNano() <= 0 || there < 0 || trip <= 0 {
		return Clock{}, false
	}
	ahead := answer.GetCameElapsedNano() - sent - trip/2
	if len(e.samples) == echoKept {
		e.samples = append(e.samples[:0], e.samples[1:]...)
	}
	e.samples = append(e.samples, Clock{RoundTrip: time.Duration(trip), Ahead: time.Duration(ahead)})
	best := e.samples[0]
	for _, s := range e.samples[1:] {
		if s.RoundTrip < best.RoundTrip {
			best = s
		}
	}
	best.Measured = len(e.samples)
	return best, true
}

// echoAfter returns how long after so many echoes the next one follows.
func echoAfter(sent int) time.Duration {
	if sent < echoFirst {
		return echoSoon
	}
	return echoLater
}

// newEcho returns an Echo that is sent now.
func newEcho() *bulkheadv1.Echo { return &bulkheadv1.Echo{SentElapsedNano: boottime.Now()} }
