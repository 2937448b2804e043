package report

import (
	"math/bits"
)

// window is the span of time in which something was written.
type window struct{ from, to Stamp }

// cover widens w to from … to.
func (w *window) cover(from, to Stamp) {
	if w.from == 0 || from < w.from {
		w.from = from
	}
	w.to = max(w.to, to)
}

func (w window) length() int64 { return between(w.from, w.to) }

// moved returns w on a clock that reads offset nanoseconds less.
func (w window) moved(offset int64) window {
	return window{w.from - Stamp(offset), w.to - Stamp(offset)}
}

// within returns the part of w that lies in outer; none if w is none.
func (w window) within(outer window) window {
	if w.from == 0 && w.to == 0 {
		return w
	}
	from := min(max(w.from, outer.from), outer.to)
	return window{from, max(min(w.to, outer.to), from)}
}

// perSecond is amount over a time in nanoseconds, rounded down; 0 for no time.
func perSecond(amount uint64, nano int64) uint64 {
	if nano <= 0 {
		return 0
	}
	high, low := bits.Mul64(amount, 1e9)
	if high >= uint64(nano) {
		return 0 // beyond 2^64 a second: no rate at all
	}
	rate, _ := bits.Div64(high, low, uint64(nano))
	return rate
}
