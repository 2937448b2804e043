package report

import (
	"math/bits"
	"time"

	"bulkhead/internal/latency"
)

// Bounds of the run over time.
const (
	// baseInterval is the length of an interval before any doubling.
	baseInterval = int64(time.Second)
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

// timeline is the run over time in the making, on the supervisor's clock.
//
// Interval i is the time after start + i·step up to and including
// start + (i+1)·step. When the run outgrows MaxIntervals, neighbours are merged and
// step doubles. Everything is kept so that merging two intervals gives exactly what
// folding into the longer one would have given: so the result depends neither on when
// a doubling came nor on the order in which sessions were folded.
type timeline struct {
	start, last Stamp
	step        int64
	cells       []totalCell

	// The clients' intervals are step << shift long.
	shift   int
	rows    int
	crowded bool // some processes have no row

	// outside is bytes written before the run, as by a client that was delivered
	// later.
	outside uint64
}

// totalCell is one interval of all clients together.
type totalCell struct {
	bytes, chunks, errors, rollovers uint64
	verified, corrupt                uint64                   // bytes, blocks
	latencies                        [phases]*latency.Compact // nil without a value
}

func (c totalCell) merge(o totalCell) totalCell {
	c.bytes, c.chunks = plus(c.bytes, o.bytes), plus(c.chunks, o.chunks)
	c.errors, c.rollovers = plus(c.errors, o.errors), plus(c.rollovers, o.rollovers)
	c.verified, c.corrupt = plus(c.verified, o.verified), plus(c.corrupt, o.corrupt)
	for of, h := range o.latencies {
		if c.latencies[of] == nil {
			c.latencies[of] = h
		} else {
			c.latencies[of].Merge(h)
		}
	}
	return c
}

// begin sets where the axis begins.
func (t *timeline) begin(at Stamp) { t.start, t.last, t.step = at, at, baseInterval }

// advance makes the axis reach to at, and the intervals longer if it must.
func (t *timeline) advance(at Stamp, lines []*clientLine) {
	t.last = max(t.last, at)
	for t.intervals() > MaxIntervals {
		t.step *= 2
		t.cells = halved(t.cells, totalCell.merge)
		for _, c := range lines {
			c.active.halve()
			if t.shift == 0 {
				c.halve()
			}
		}
		t.shift = max(t.shift-1, 0)
	}
	for t.rows*t.clientIntervals() > maxCells && t.clientIntervals() > 1 {
		t.shift++
		for _, c := range lines {
			c.halve()
		}
	}
}

// intervals is how many intervals the axis has so far.
func (t *timeline) intervals() int {
	if t.step == 0 {
		return 0
	}
	return t.index(t.last, t.step) + 1
}

func (t *timeline) clientIntervals() int {
	if t.step == 0 {
		return 0
	}
	return t.index(t.last, t.clientStep()) + 1
}

func (t *timeline) clientStep() int64 { return t.step << t.shift }

// index is the interval of length step that at lies in; the first if it is before.
func (t *timeline) index(at Stamp, step int64) int {
	return int(max(int64(at-t.start)-1, 0) / step)
}

// place moves what a client says happened from … to onto the axis: by the offset of its
// clock, and further back if its record was written before it is said to have ended, so
// that a clock that makes no sense leads nowhere. It returns false for what
// ended before the run began.
func (t *timeline) place(from, to Stamp, offset int64, recorded Stamp) (Stamp, Stamp, bool) {
	back := Stamp(offset)
	if to-back > recorded {
		back = to - recorded
	}
	return from - back, to - back, to-back > t.start
}

// middle is half way between two moments.
func middle(from, to Stamp) Stamp { return from + (to-from)/2 }

// spread divides amount over the intervals of length step from … to covers, by time.
// What falls before the axis is left out. Parts are differences of rounded-down sums up
// to the ends of the intervals, so that they add up to amount, and those of two
// neighbours to the part of an interval twice as long.
func (t *timeline) spread(from, to Stamp, step int64, amount uint64, each func(interval int, part uint64)) {
	if amount == 0 {
		return
	}
	if to <= from {
		each(t.index(to, step), amount)
		return
	}
	before := partOf(amount, int64(max(from, t.start)-from), int64(to-from))
	for i := t.index(max(from, t.start)+1, step); ; i++ {
		end := min(t.start+Stamp(int64(i+1)*step), to)
		sum := partOf(amount, int64(end-from), int64(to-from))
		each(i, sum-before)
		if end >= to {
			return
		}
		before = sum
	}
}

// partOf is amount·part/whole, rounded down; part is at most whole.
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
