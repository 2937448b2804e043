package machine

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"bulkhead/internal/plaintext"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// MaxRows is the most rows of one machine over time.
const MaxRows = 24

// key names a row: a device or interface, or one of the others, which have no name.
type key struct {
	kind row
	name string
}

type row uint8

const (
	rowDevice row = iota
	rowInterface
	rowMemory
	rowPressure
	rowThrottled
)

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), cmp.Compare(k.name, o.name))
}

// Line is a machine over time, in intervals. The zero value has no rows.
type Line struct{ rows map[key][]cell }

// cell is one interval of a row. What its numbers are depends on the kind of row: part is of whole
// the time that a device was busy or somebody waited for memory, or the periods in which a limit
// stopped the group.
type cell struct {
	part, whole int64
	queued      int64  // ns that requests were in flight, of a device
	in, out     uint64 // bytes read and written, or received and sent
	highest     uint64 // bytes that are dirty
}

func (c cell) merge(o cell) cell {
	return cell{part: report.PlusNano(c.part, o.part), whole: report.PlusNano(c.whole, o.whole),
		queued: report.PlusNano(c.queued, o.queued), in: report.Plus(c.in, o.in), out: report.Plus(c.out, o.out),
		highest: max(c.highest, o.highest)}
}

// Axis is where in time a sample is.
type Axis interface {
	// Room takes a row of the run, and reports whether there was one.
	Room() bool
	// Spread divides an amount over the intervals of the sample.
	Spread(amount uint64, each func(interval int, part uint64))
	// Last is the interval in which it was taken.
	Last() int
}

// Add adds a sample.
func (l *Line) Add(m *bulkheadv1.Machine, on Axis) {
	span := m.GetIntervalNano()
	for _, d := range m.GetDevices() {
		if a := d.GetActivity(); a != nil && span > 0 {
			l.spread(key{rowDevice, d.GetName()}, on, cell{part: min(a.GetBusyNano(), span), whole: span,
				queued: a.GetQueuedNano(), in: a.GetReadBytes(), out: a.GetWrittenBytes()})
		}
	}
	for _, i := range m.GetInterfaces() {
		if a := i.GetActivity(); a != nil && span > 0 {
			l.spread(key{rowInterface, i.GetName()}, on, cell{whole: span, in: a.GetReceivedBytes(),
				out: a.GetSentBytes()})
		}
	}
	if p := m.GetMemoryPressure(); p != nil && span > 0 {
		l.spread(key{rowPressure, ""}, on, cell{part: min(p.GetSomeNano(), span), whole: span})
	}
	for _, limit := range m.GetProcessorLimits() {
		if a := limit.GetThrottling(); a.GetPeriods() > 0 {
			l.spread(key{rowThrottled, ""}, on, cell{part: finely(min(a.GetThrottledPeriods(), a.GetPeriods())),
				whole: finely(a.GetPeriods())})
		}
	}
	if mem := m.GetMemory(); mem != nil {
		if k, ok := l.row(key{rowMemory, ""}, on); ok {
			l.at(k, on.Last(), func(c *cell) {
				c.highest = max(c.highest,
					mem.GetDirtyBytes()+mem.GetWritebackBytes())
			})
		}
	}
}

// finely returns a number of periods in parts of one: there are few, and each part of a sample has to
// have its share of them.
func finely(periods uint64) int64 { return int64(min(periods, 1<<40)) << 20 }

// row returns the key of a row, if there is room for it.
func (l *Line) row(k key, on Axis) (key, bool) {
	k.name = plaintext.Line(k.name, plaintext.MaxName)
	if _, is := l.rows[k]; is {
		return k, true
	}
	if len(l.rows) == MaxRows || !on.Room() {
		return k, false
	}
	if l.rows == nil {
		l.rows = make(map[key][]cell)
	}
	l.rows[k] = nil
	return k, true
}

// at changes a cell of a row, which grows to have it.
func (l *Line) at(k key, i int, change func(*cell)) {
	if cells := l.rows[k]; i >= len(cells) {
		l.rows[k] = append(cells, make([]cell, i+1-len(cells))...)
	}
	change(&l.rows[k][i])
}

// spread divides a cell over the intervals of a sample.
func (l *Line) spread(k key, on Axis, whole cell) {
	k, ok := l.row(k, on)
	if !ok {
		return
	}
	each := func(amount uint64, add func(c *cell, n uint64)) {
		on.Spread(amount, func(i int, part uint64) { l.at(k, i, func(c *cell) { add(c, part) }) })
	}
	each(uint64(whole.part), func(c *cell, n uint64) { c.part = report.PlusNano(c.part, int64(n)) })
	each(uint64(whole.whole), func(c *cell, n uint64) { c.whole = report.PlusNano(c.whole, int64(n)) })
	each(uint64(whole.queued), func(c *cell, n uint64) { c.queued = report.PlusNano(c.queued, int64(n)) })
	each(whole.in, func(c *cell, n uint64) { c.in = report.Plus(c.in, n) })
	each(whole.out, func(c *cell, n uint64) { c.out = report.Plus(c.out, n) })
}

// Halve merges neighbouring intervals.
func (l *Line) Halve() {
	for k, cells := range l.rows {
		half := make([]cell, (len(cells)+1)/2)
		for i, c := range cells {
			half[i/2] = half[i/2].merge(c)
		}
		l.rows[k] = half
	}
}

// Prepend makes room for n intervals before the first.
func (l *Line) Prepend(n int) {
	for k, cells := range l.rows {
		if len(cells) > 0 {
			l.rows[k] = append(make([]cell, n, n+len(cells)), cells...)
		}
	}
}

// Build returns the machine over time, with n intervals; nil if it was never sampled.
func (l *Line) Build(n int) *report.MachineSeries {
	if len(l.rows) == 0 {
		return nil
	}
	s := &report.MachineSeries{Devices: []report.DeviceSeries{}, Interfaces: []report.InterfaceSeries{},
		DirtyBytes: []uint64{}, MemoryPressure: []float32{}, Throttled: []float32{}}
	for _, k := range slices.SortedFunc(maps.Keys(l.rows), key.compare) {
		cells := append(slices.Clone(l.rows[k]), make([]cell, n-min(n, len(l.rows[k])))...)[:n]
		part := func(c cell) int64 { return c.part }
		in, out := column(cells, func(c cell) uint64 { return c.in }), column(cells,
			func(c cell) uint64 { return c.out })
		switch k.kind {
		case rowDevice:
			s.Devices = append(s.Devices, report.DeviceSeries{Name: k.name, Busy: shares(cells, part),
				Queue: shares(cells, func(c cell) int64 { return c.queued }), ReadBytes: in, WrittenBytes: out})
		case rowInterface:
			s.Interfaces = append(s.Interfaces, report.InterfaceSeries{Name: k.name, ReceivedBytes: in, SentBytes: out})
		case rowMemory:
			s.DirtyBytes = column(cells, func(c cell) uint64 { return c.highest })
		case rowPressure:
			s.MemoryPressure = shares(cells, part)
		case rowThrottled:
			s.Throttled = shares(cells, part)
		}
	}
	return s
}

// column returns one number of each cell.
func column(cells []cell, of func(cell) uint64) []uint64 {
	list := make([]uint64, len(cells))
	for i, c := range cells {
		list[i] = of(c)
	}
	return list
}

// shares returns, for each cell, something as a share of its whole; -1 where there is none.
func shares(cells []cell, of func(cell) int64) []float32 {
	list := make([]float32, len(cells))
	for i, c := range cells {
		list[i] = -1
		if c.whole > 0 {
			list[i] = float32(math.Round(1000*float64(of(c))/float64(c.whole)) / 1000)
		}
	}
	return list
}
