package fold

import (
	"cmp"
	"slices"

	"bulkhead/supervisor/report"
)

// maxApart is how many spans a common window is without, at most: those next to each other are one
// where there would be more.
const maxApart = 1000

// between returns when a client was not to write between its stages that are reported, on a clock that
// reads offset nanoseconds less: in pauses, and in stages that are not reported.
func (s *sessionState) between(offset int64) []window {
	var list []window
	last := -1 // the newest reported stage in which it was
	for i := range s.stages {
		own := &s.stages[i]
		if own.unreported || own.window == (window{}) {
			continue
		}
		if last >= 0 && (own.paused || last < i-1) && own.window.from > s.stages[last].window.to {
			list = append(list, window{s.stages[last].window.to, own.window.from}.moved(offset))
		}
		last = i
	}
	return list
}

// covered returns how long the time is of one window that others cover.
func covered(list []window, of window) int64 {
	inside := make([]window, 0, len(list))
	for _, w := range list {
		if w.from < of.to && w.to > of.from {
			inside = append(inside, w.within(of))
		}
	}
	return together(inside)
}

// spans returns what windows cover of one, in order and without overlap.
func spans(list []window, of window) []report.Span {
	list = slices.DeleteFunc(slices.Clone(list), func(w window) bool { return w.from >= of.to || w.to <= of.from })
	slices.SortFunc(list, func(a, b window) int { return cmp.Compare(a.from, b.from) })
	for gap := report.Stamp(0); ; gap = 2*gap + 1e6 {
		var merged []report.Span
		for _, w := range list {
			w = w.within(of)
			if last := len(merged) - 1; last >= 0 && w.from <= merged[last].ToAt+gap {
				merged[last].ToAt = max(merged[last].ToAt, w.to)
			} else {
				merged = append(merged, report.Span{FromAt: w.from, ToAt: w.to})
			}
		}
		if len(merged) <= maxApart {
			return merged
		}
	}
}
