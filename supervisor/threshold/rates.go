package threshold

import (
	"time"

	"bulkhead/internal/assertion"
)

// mostWindows is how many windows in a row are looked at together.
const mostWindows = 8

// rates watches what is written in a window, while all clients are at work.
type rates struct {
	a     assertion.Assertion
	print func(float64) string
	past  []counted // since all are at work, as far as it matters
}

func (r *rates) restart() { r.past = nil }

func (r *rates) take(m Moment) (value string, known, broken bool) {
	if !m.Begun || !m.Whole {
		r.restart()
		return "", false, false
	}
	oldest := m.At - mostWindows*r.a.For - m.Delay
	for len(r.past) > 1 && r.past[1].at <= oldest {
		r.past = r.past[1:]
	}
	if last := len(r.past) - 1; last < 0 || m.At-r.past[last].at >= step(r.a.For) {
		r.past = append(r.past, counted{m.At, m.Bytes})
	}
	for k := time.Duration(1); k <= mostWindows; k++ {
		length := k * r.a.For
		bytes, full := r.bound(m, length)
		if !full {
			break
		}
		known = true
		x := float64(bytes) / length.Seconds()
		word := "at most "
		if r.a.AtMost() {
			word = "at least "
		}
		if k == 1 || !r.a.Keeps(x) {
			value, broken = told(r.a.Name, word, r.print(x), within(length)), !r.a.Keeps(x)
		}
		if broken {
			break
		}
	}
	return value, known, broken
}

// bound returns the most that can have been written in the newest window of a length, or, if the
// figure may be too large, the least; false if no such window was seen.
func (r *rates) bound(m Moment, length time.Duration) (uint64, bool) {
	if r.a.AtMost() {
		if r.past[0].at > m.At-length {
			return 0, false
		}
		for _, c := range r.past {
			if c.at >= m.At-length+m.Delay { // what came since was written since the begin of the window
				return m.Bytes - min(m.Bytes, c.n), true
			}
		}
		return 0, true
	}
	from := counted{at: -1}
	for _, c := range r.past {
		if c.at > m.At-length-m.Delay {
			break
		}
		from = c
	}
	return m.Bytes - min(m.Bytes, from.n), from.at >= 0
}
