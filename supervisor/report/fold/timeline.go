package fold

import (
	"math/bits"
	"time"

	"bulkhead/internal/latency"
	"bulkhead/supervisor/report"
)

// Bounds of the run over time.
const (
	// BaseInterval is the length of an interval before any doubling.
	BaseInterval = int64(time.Second)
	// maxCells bounds the intervals of all clients and their processes together: a
	// client or process is a row, and rows times intervals stay within it.
	maxCells = 240_000
	// maxRows is the most clients and processes of a run, and maxClientRows the most
	// processes of one client, that have a row.
	maxRows       = 20_000
	maxClientRows = 128
	// maxStalls is the most stalls of one client that are kept.
	maxStalls = 200
)

// timeline is the run over time in the making, on the supervisor's clock, from the first
// activity to the last.
//
// Interval i of the run is the time after start + i·step up to and including
// start + (i+1)·step. Kept are the intervals from base on, which is moved down when
// something turns out to have been done earlier. When there are more than MaxIntervals,
// neighbours are merged and step doubles. Everything is kept so that merging two intervals
// gives exactly what folding into the longer one would have given, and which two are merged
// depends on start alone: so the result depends neither on when a doubling came nor on the
// order in which sessions were folded, and shards of one run merge interval by interval.
type timeline struct {
	start       report.Stamp // of the run
	first, last report.Stamp // activity; 0 before any
	step        int64
	cells       []totalCell // from interval base << shift on
	lines       []*clientLine

	// The clients' intervals are step << shift long, and base is the first of them that is kept.
	shift   int
	base    int
	rows    int
	crowded bool // some processes have no row

	warm  report.Stamp // the end of the last warm-up; 0 for none
	apart bitmap       // further intervals that are not judged

	// outside is bytes written before the run, as by a client that was delivered
	// later.
	outside uint64
}

// totalCell is one interval of all clients together.
type totalCell struct {
	bytes, chunks, errors, rollovers uint64
	verified, read, corrupt          uint64                              // bytes, bytes, blocks
	latencies                        [report.PhaseCount]*latency.Compact // nil without a value
}

func (c totalCell) merge(o totalCell) totalCell {
	c.bytes, c.chunks = report.Plus(c.bytes, o.bytes), report.Plus(c.chunks, o.chunks)
	c.errors, c.rollovers = report.Plus(c.errors, o.errors), report.Plus(c.rollovers, o.rollovers)
	c.verified, c.corrupt = report.Plus(c.verified, o.verified), report.Plus(c.corrupt, o.corrupt)
	c.read = report.Plus(c.read, o.read)
	for of, h := range o.latencies {
		if c.latencies[of] == nil {
			c.latencies[of] = h
		} else {
			c.latencies[of].Merge(h)
		}
	}
	return c
}

// begin sets when the run began.
func (t *timeline) begin(at report.Stamp) { t.start, t.step = at, BaseInterval }

// reach makes the axis cover an activity from … to.
func (t *timeline) reach(from, to report.Stamp) {
	from, to = max(from, t.start), max(to, t.start)
	switch {
	case t.first == 0:
		t.first, t.last = from, to
		t.base = t.number(from, t.clientStep())
	case from >= t.first && to <= t.last:
		return
	}
	t.first, t.last = min(t.first, from), max(t.last, to)
	t.fit()
}

// fit makes the intervals as long as they must be, and begin with the first activity.
func (t *timeline) fit() {
	for t.first != 0 {
		switch {
		case t.intervals() > report.MaxIntervals:
			t.double()
		case t.rows*t.clientIntervals() > maxCells && t.clientIntervals() > 1:
			t.doubleClients()
		default:
			t.prepend(t.base - t.number(t.first, t.clientStep()))
			return
		}
	}
}

// double makes the intervals of all clients together twice as long, and those of each client
// too if they were no longer.
func (t *timeline) double() {
	if t.shift == 0 {
		t.doubleClients()
	}
	t.cells = halved(t.cells, totalCell.merge)
	for _, c := range t.lines {
		c.active.halve()
	}
	t.apart.halve()
	t.step *= 2
	t.shift--
}

// doubleClients makes the intervals of each client twice as long.
func (t *timeline) doubleClients() {
	t.prepend(t.base % 2)
	for _, c := range t.lines {
		c.halve()
	}
	t.base /= 2
	t.shift++
}

// prepend makes room for n intervals of the clients before base.
func (t *timeline) prepend(n int) {
	if n <= 0 {
		return
	}
	t.base -= n
	t.cells = after(n<<t.shift, t.cells)
	t.apart.move(n << t.shift)
	for _, c := range t.lines {
		c.active.move(n << t.shift)
		c.prepend(n)
	}
}

// after returns list behind n empty cells; an empty list stays empty.
func after[T any](n int, list []T) []T {
	if len(list) == 0 {
		return list
	}
	return append(make([]T, n, n+len(list)), list...)
}

// intervals returns how many intervals the axis has so far. They begin with those of the
// clients.
func (t *timeline) intervals() int {
	if t.first == 0 {
		return 0
	}
	return t.number(t.last, t.step) + 1 - t.number(t.first, t.clientStep())<<t.shift
}

func (t *timeline) clientIntervals() int {
	if t.first == 0 {
		return 0
	}
	return t.number(t.last, t.clientStep()) + 1 - t.number(t.first, t.clientStep())
}

func (t *timeline) clientStep() int64 { return t.step << t.shift }

// offset returns how long after the start of the run the first interval begins.
func (t *timeline) offset() int64 { return int64(t.base) * t.clientStep() }

// number returns the interval of the run, of length step, that at lies in; the first if it is
// before.
func (t *timeline) number(at report.Stamp, step int64) int {
	return int(max(int64(at-t.start)-1, 0) / step)
}

// index returns the interval of length step among those kept that at lies in. The axis has
// reached at.
func (t *timeline) index(at report.Stamp, step int64) int {
	return t.number(at, step) - t.zero(step)
}

// zero returns the number of the first interval of length step that is kept, which is that of all
// clients together or of each.
func (t *timeline) zero(step int64) int { return int(t.offset() / step) }

// place moves what a client says happened from … to onto the axis: by the offset of its
// clock, and further back if its record was written before it is said to have ended, so
// that a clock that makes no sense leads nowhere. The axis covers it then. It returns false
// for what ended before the run began.
func (t *timeline) place(from, to report.Stamp, offset int64, recorded report.Stamp) (report.Stamp, report.Stamp,
	bool) {
	back := report.Stamp(offset)
	if to-back > recorded {
		back = to - recorded
	}
	from, to = from-back, to-back
	if to <= t.start {
		return from, to, false
	}
	t.reach(from, to)
	return from, to, true
}

// middle returns half way between two moments.
func middle(from, to report.Stamp) report.Stamp { return from + (to-from)/2 }

// spread divides amount over the intervals of length step from … to covers, by time.
// What falls before the run is left out. Parts are differences of rounded-down sums up
// to the ends of the intervals, so that they add up to amount, and those of two
// neighbours to the part of an interval twice as long.
func (t *timeline) spread(from, to report.Stamp, step int64, amount uint64, each func(interval int, part uint64)) {
	if amount == 0 {
		return
	}
	if to <= from {
		each(t.index(to, step), amount)
		return
	}
	before := partOf(amount, int64(max(from, t.start)-from), int64(to-from))
	zero := t.zero(step)
	for i := t.number(max(from, t.start)+1, step); ; i++ {
		end := min(t.start+report.Stamp(int64(i+1)*step), to)
		sum := partOf(amount, int64(end-from), int64(to-from))
		each(i-zero, sum-before)
		if end >= to {
			return
		}
		before = sum
	}
}

// partOf returns amount·part/whole, rounded down; part is at most whole.
func partOf(amount uint64, part, whole int64) uint64 {
	high, low := bits.Mul64(amount, uint64(part))
	quotient, _ := bits.Div64(high, low, uint64(whole))
	return quotient
}

// at returns cell i of list, which grows to have it.
func at[T any](list *[]T, i int) *T {
	for len(*list) <= i {
		var zero T
		*list = append(*list, zero)
	}
	return &(*list)[i]
}

// halved merges neighbours of list in place.
func halved[T any](list []T, merge func(a, b T) T) []T {
	half := (len(list) + 1) / 2
	for i := range half {
		if 2*i+1 < len(list) {
			list[i] = merge(list[2*i], list[2*i+1])
		} else {
			list[i] = list[2*i]
		}
	}
	clear(list[half:])
	return list[:half]
}

// window is the span of time in which something was written.
type window struct{ from, to report.Stamp }

// cover widens w to from … to.
func (w *window) cover(from, to report.Stamp) {
	if w.from == 0 || from < w.from {
		w.from = from
	}
	w.to = max(w.to, to)
}

func (w window) length() int64 { return report.Between(w.from, w.to) }

// moved returns w on a clock that reads offset nanoseconds less.
func (w window) moved(offset int64) window {
	return window{w.from - report.Stamp(offset), w.to - report.Stamp(offset)}
}

// within returns the part of w that lies in outer; none if w is none.
func (w window) within(outer window) window {
	if w.from == 0 && w.to == 0 {
		return w
	}
	from := min(max(w.from, outer.from), outer.to)
	return window{from, max(min(w.to, outer.to), from)}
}
