package threshold

import (
	"fmt"
	"time"

	"bulkhead/internal/assertion"
	"bulkhead/internal/human"
	"bulkhead/supervisor/raw"
)

// Moment is what a run is like.
type Moment struct {
	// At is when, by a clock that is never set.
	At time.Duration
	// Bytes, Errors, Stalled and Missed are those of all clients, since the begin of the run.
	Bytes, Errors, Stalled, Missed uint64
	// Writes are the latencies that have come since the moment before.
	Writes *raw.Sketch
	// Begun says that all clients that are awaited have begun to write, and that none has just begun a
	// stage, or is in one that is not reported; Whole that all that ever came are at work.
	Begun, Whole bool
	// Delay is how long after it was written something is known, at most.
	Delay time.Duration
}

// MostGap is how long nobody may have looked for a window to go on.
const MostGap = 5 * time.Second

// Breach is a threshold that did not hold.
type Breach struct {
	Assertion assertion.Assertion
	// Value is what was measured, in words.
	Value string
}

// State is how a threshold is kept so far.
type State struct {
	Assertion assertion.Assertion
	// Watched says that it is, Known that a whole window was seen of it, and Breached that it did
	// not hold.
	Watched, Known, Breached bool
	// Value is what was measured last, or as it did not hold, in words.
	Value string
	// At is when it was breached; 0 if it was not, or before this watch.
	At time.Duration
}

// Watch watches the thresholds of one run.
type Watch struct {
	states  []State
	windows []window // nil for what is not watched
	last    time.Duration
	looked  bool
}

// window is what is known of one figure. take returns its value in words, and whether it is beyond
// doubt that the threshold does not hold; known is false as long as that cannot be told.
type window interface {
	take(m Moment) (value string, known, broken bool)
	restart()
}

// New returns a watch of the thresholds of a run.
func New(list []assertion.Assertion) *Watch {
	w := &Watch{}
	for _, a := range list {
		w.states = append(w.states, State{Assertion: a, Watched: a.Live()})
		w.windows = append(w.windows, windowOf(a))
	}
	return w
}

func windowOf(a assertion.Assertion) window {
	of, _ := assertion.Of(a.Name)
	switch {
	case !a.Live():
		return nil
	case of.Live == assertion.Latency:
		return &latencies{a: a, print: of.Unit.Print}
	case of.Live == assertion.Rate:
		return &rates{a: a, print: of.Unit.Print}
	default:
		return &counts{a: a, print: of.Unit.Print}
	}
}

// Already notes a breach that was told before this watch; it is not told again.
func (w *Watch) Already(text, value string) {
	for i := range w.states {
		if s := &w.states[i]; s.Assertion.String() == text {
			s.Known, s.Breached, s.Value = true, true, value
		}
	}
}

// Take returns what is breached by now, and was not before.
func (w *Watch) Take(m Moment) []Breach {
	if w.looked && m.At-w.last > MostGap {
		for _, one := range w.windows {
			if one != nil {
				one.restart()
			}
		}
	}
	w.last, w.looked = m.At, true
	var list []Breach
	for i := range w.states {
		s := &w.states[i]
		if !s.Watched || s.Breached {
			continue
		}
		var value string
		value, s.Known, s.Breached = w.windows[i].take(m)
		s.Value = value
		if s.Breached {
			s.At = m.At
			list = append(list, Breach{s.Assertion, value})
		}
	}
	return list
}

// States returns how the thresholds are kept so far, in their order.
func (w *Watch) States() []State { return append([]State(nil), w.states...) }

// inexact is how much longer than it should be a window may be: those who look do so about once a
// second.
const inexact = 500 * time.Millisecond

// within names a window.
func within(d time.Duration) string { return " in " + human.ExactDuration(d) }

// step is how far apart what is kept of a window is: no more than sixty parts.
func step(window time.Duration) time.Duration { return window / 60 }

// told says what a figure was.
func told(name, bound, value, within string) string {
	return fmt.Sprintf("%s was %s%s%s", name, bound, value, within)
}
