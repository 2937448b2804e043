package threshold

import (
	"time"

	"bulkhead/internal/assertion"
)

// counts watches a figure that only rises: all of it, or what came in a window.
type counts struct {
	a     assertion.Assertion
	print func(float64) string
	past  []counted
}

type counted struct {
	at time.Duration
	n  uint64
}

func (c *counts) restart() { c.past = nil }

func (c *counts) take(m Moment) (value string, known, broken bool) {
	n := map[string]uint64{"errors": m.Errors, "stalled": m.Stalled, "missed": m.Missed}[c.a.Name]
	in := ""
	if c.a.For > 0 {
		for len(c.past) > 0 && c.past[0].at < m.At-c.a.For-inexact {
			c.past = c.past[1:]
		}
		if last := len(c.past) - 1; last < 0 || m.At-c.past[last].at >= step(c.a.For) {
			c.past = append(c.past, counted{m.At, n})
		}
		n, in = n-min(n, c.past[0].n), within(c.a.For)
	}
	x := float64(n)
	return told(c.a.Name, "", c.print(x), in), true, x > c.a.Value || x == c.a.Value && !c.a.Keeps(x)
}
