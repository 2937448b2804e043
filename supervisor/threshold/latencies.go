package threshold

import (
	"time"

	"bulkhead/internal/assertion"
	"bulkhead/supervisor/raw"
)

// latencies watches a latency of what was written in a window, when all have begun.
type latencies struct {
	a     assertion.Assertion
	print func(float64) string
	began time.Duration // of what was seen
	parts []part
}

// part is what came in a part of the window, since then.
type part struct {
	since  time.Duration
	writes raw.Sketch
}

func (l *latencies) restart() { l.parts = nil }

func (l *latencies) take(m Moment) (value string, known, broken bool) {
	if !m.Begun {
		l.restart()
		return "", false, false
	}
	if len(l.parts) == 0 { // what came by now is of before
		l.began, l.parts = m.At, []part{{since: m.At}}
		return "", false, false
	}
	l.parts[len(l.parts)-1].writes.Add(m.Writes)
	for len(l.parts) > 1 && l.parts[0].since < m.At-l.a.For-inexact {
		l.parts = l.parts[1:]
	}
	full := l.began <= m.At-l.a.For && l.parts[0].since >= m.At-l.a.For-inexact
	var all raw.Sketch
	for i := range l.parts {
		all.Add(&l.parts[i].writes)
	}
	if m.At-l.parts[len(l.parts)-1].since >= step(l.a.For) {
		l.parts = append(l.parts, part{since: m.At})
	}
	if !full || all.Count == 0 {
		return "", false, false
	}
	least, most := figure(l.a.Name, &all)
	x, word := most, "at most "
	if l.a.AtMost() {
		x, word = least, "at least "
	}
	if least == most {
		word = ""
	}
	return told(l.a.Name, word, l.print(float64(x)), within(l.a.For)), true, !l.a.Keeps(float64(x))
}

// figure returns between which bounds a latency is.
func figure(name string, s *raw.Sketch) (least, most int64) {
	quantile := map[string]float64{"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
	switch q, is := quantile[name]; {
	case is:
		return s.Between(q)
	case name == "max":
		return int64(s.Max), int64(s.Max)
	default: // mean
		mean := int64(s.Sum / s.Count)
		return mean, mean
	}
}
