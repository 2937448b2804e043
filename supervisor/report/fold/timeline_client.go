package fold

import (
	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold/machine"
)

// clientLine is one client over time.
type clientLine struct {
	*timeline
	offset    int64 // its clock less the supervisor's, in nanoseconds
	cells     []clientCell
	active    bitmap // of the intervals of all clients together
	processes map[processKey]*processLine
	samples   machine.Line // of its machine
	stalls    []stall
	silences  []silence
	leftOut   uint64 // stalls and silences beyond maxStalls and maxSilences
}

// clientCell is one interval of a client.
type clientCell struct {
	bytes, rollovers, errors, corrupt uint64
	read                              uint64 // bytes
	stage                             uint16 // the last that it was in, by its number in the run
	written                           bool   // p99 and max are set
	p99, max                          int64
	responded                         bool // response is set
	response                          int64
}

func (c clientCell) merge(o clientCell) clientCell {
	c.bytes, c.rollovers, c.errors = report.Plus(c.bytes, o.bytes), report.Plus(c.rollovers,
		o.rollovers), report.Plus(c.errors, o.errors)
	c.corrupt, c.read = report.Plus(c.corrupt, o.corrupt), report.Plus(c.read, o.read)
	c.stage = max(c.stage, o.stage)
	c.p99, c.max, c.written = max(c.p99, o.p99), max(c.max, o.max), c.written || o.written
	c.response, c.responded = max(c.response, o.response), c.responded || o.responded
	return c
}

// processLine is one process of a client over time, or several that followed each
// other under one number.
type processLine struct {
	cells []processCell
}

// processCell is one interval of a process.
type processCell struct {
	cpu, sampled int64 // ns of processor time, and of the time it was sampled over
	resident     uint64
	beat         pulse
}

func (c processCell) merge(o processCell) processCell {
	c.cpu, c.sampled = c.cpu+o.cpu, c.sampled+o.sampled
	c.resident, c.beat = max(c.resident, o.resident), max(c.beat, o.beat)
	return c
}

// pulse is how a process answered, from the best to the worst.
type pulse uint8

// beats are the characters of a pulse in ProcessSeries.Beats.
var beats = [...]byte{report.BeatNone, report.BeatAnswered, report.BeatLate, report.BeatStalled, report.BeatMissed}

const (
	beatNone pulse = iota
	beatAnswered
	beatLate
	beatStalled
	beatMissed
)

// stall is a time in which a process answered that a system call was stuck.
type stall struct {
	key      processKey
	from, to report.Stamp
	longest  int64
}

// newLine gives a client its row.
func (t *timeline) newLine(offset int64) *clientLine {
	t.rows++
	c := &clientLine{timeline: t, offset: offset, processes: make(map[processKey]*processLine)}
	t.lines = append(t.lines, c)
	return c
}

func (c *clientLine) halve() {
	c.cells = halved(c.cells, clientCell.merge)
	for _, p := range c.processes {
		p.cells = halved(p.cells, processCell.merge)
	}
	c.samples.Halve()
}

// prepend makes room for n intervals before the first.
func (c *clientLine) prepend(n int) {
	c.cells = after(n, c.cells)
	for _, p := range c.processes {
		p.cells = after(n, p.cells)
	}
	c.samples.Prepend(n)
}

// process returns the row of a process; nil if there is no room for it.
func (c *clientLine) process(key processKey) *processLine {
	p := c.processes[key]
	if p != nil {
		return p
	}
	if len(c.processes) == maxClientRows || c.rows >= maxRows {
		c.crowded = true
		return nil
	}
	p = new(processLine)
	c.processes[key] = p
	c.rows++
	return p
}

// portion is what of a load an interval is of.
type portion struct {
	unjudged bool // it is in no figure that is judged
	middle   bool // and something that is judged came before it
	stage    uint16
}

// progress adds what was done from … to, on the client's clock.
func (c *clientLine) progress(from, to, recorded report.Stamp, in portion, p *bulkheadv1.Progress,
	list *[report.PhaseCount]*latency.Histogram) {
	from, to, ok := c.place(from, to, c.offset, recorded)
	if !ok {
		c.outside = report.Plus(c.outside, p.GetBytes())
		return
	}
	t := c.timeline
	c.within(from, to, in)
	all := func(field func(*totalCell) *uint64) func(int, uint64) {
		return func(i int, part uint64) {
			n := field(at(&t.cells, i))
			*n = report.Plus(*n, part)
		}
	}
	own := func(field func(*clientCell) *uint64) func(int, uint64) {
		return func(i int, part uint64) {
			n := field(at(&c.cells, i))
			*n = report.Plus(*n, part)
		}
	}
	t.spread(from, to, t.step, p.GetBytes(), func(i int, part uint64) {
		if part > 0 {
			c.active.set(i)
		}
		cell := at(&t.cells, i)
		cell.bytes = report.Plus(cell.bytes, part)
	})
	t.spread(from, to, t.step, p.GetChunks(), all(func(c *totalCell) *uint64 { return &c.chunks }))
	t.spread(from, to, t.step, p.GetErrors(), all(func(c *totalCell) *uint64 { return &c.errors }))
	t.spread(from, to, t.step, p.GetVerifiedBytes(), all(func(c *totalCell) *uint64 { return &c.verified }))
	t.spread(from, to, t.clientStep(), p.GetBytes(), own(func(c *clientCell) *uint64 { return &c.bytes }))
	t.spread(from, to, t.clientStep(), p.GetErrors(), own(func(c *clientCell) *uint64 { return &c.errors }))
	t.spread(from, to, t.step, p.GetReadBytes(), all(func(c *totalCell) *uint64 { return &c.read }))
	t.spread(from, to, t.clientStep(), p.GetReadBytes(), own(func(c *clientCell) *uint64 { return &c.read }))
	if n := p.GetCorruptBlocks(); n > 0 { // whole, in the interval in which they were said
		all(func(c *totalCell) *uint64 { return &c.corrupt })(t.index(to, t.step), n)
		own(func(c *clientCell) *uint64 { return &c.corrupt })(t.index(to, t.clientStep()), n)
	}
	c.latencies(middle(from, to), list)
}

// within notes of what the time from … to is, which the axis has reached.
func (c *clientLine) within(from, to report.Stamp, in portion) {
	t := c.timeline
	switch {
	case in.unjudged && in.middle && to > from:
		for i := t.index(max(from, t.start)+1, t.step); i <= t.index(to, t.step); i++ {
			t.apart.set(i)
		}
	case in.unjudged && !in.middle:
		t.warm = max(t.warm, to)
	}
	if in.stage == 0 || to <= from {
		return
	}
	step := c.clientStep()
	for i := c.index(max(from, c.start)+1, step); i <= c.index(to, step); i++ {
		cell := at(&c.cells, i)
		cell.stage = max(cell.stage, in.stage)
	}
}

// latencies adds the latencies of a Progress message to the interval that its middle is in.
func (c *clientLine) latencies(when report.Stamp, list *[report.PhaseCount]*latency.Histogram) {
	for of, h := range list {
		if h.Count() == 0 {
			continue
		}
		cell := at(&c.timeline.cells, c.index(when, c.step))
		if cell.latencies[of] == nil {
			cell.latencies[of] = new(latency.Compact)
		}
		cell.latencies[of].MergeHistogram(h)
	}
	mine := clientCell{}
	if h := list[report.PhaseWrite]; h.Count() > 0 {
		mine.written, mine.p99, mine.max = true, int64(h.Quantile(0.99)), int64(h.Max())
	}
	if h := list[report.PhaseResponse]; h.Count() > 0 {
		mine.responded, mine.response = true, int64(h.Quantile(0.99))
	}
	if mine.written || mine.responded {
		cell := at(&c.cells, c.index(when, c.clientStep()))
		*cell = cell.merge(mine)
	}
}

// rollover adds a file that was closed at a moment of the client's clock.
func (c *clientLine) rollover(closed, recorded report.Stamp) {
	_, closed, ok := c.place(closed, closed, c.offset, recorded)
	if !ok {
		return
	}
	at(&c.timeline.cells, c.index(closed, c.step)).rollovers++
	at(&c.cells, c.index(closed, c.clientStep())).rollovers++
}

// sample adds the processor time a process took from … to, and its memory at the end.
func (c *clientLine) sample(key processKey, from, to, recorded report.Stamp, cpu int64, resident uint64) {
	from, to, ok := c.place(from, to, c.offset, recorded)
	p := c.process(key)
	if !ok || p == nil {
		return
	}
	step := c.clientStep()
	last := at(&p.cells, c.index(to, step))
	last.resident = max(last.resident, resident)
	if to <= from {
		return
	}
	c.spread(from, to, step, uint64(cpu), func(i int, part uint64) { at(&p.cells, i).cpu += int64(part) })
	c.spread(from, to, step, uint64(to-from), func(i int, part uint64) { at(&p.cells, i).sampled += int64(part) })
}

// machine adds a sample of the client's machine, of the time from … to on its clock.
func (c *clientLine) machine(from, to, recorded report.Stamp, m *bulkheadv1.Machine) {
	if from, to, ok := c.place(from, to, c.offset, recorded); ok {
		c.samples.Add(m, sampleAxis{c, from, to})
	}
}

// sampleAxis is where on a client's line a sample of its machine is.
type sampleAxis struct {
	*clientLine
	from, to report.Stamp
}

// Room takes a row, if there is one.
func (a sampleAxis) Room() bool {
	if a.rows >= maxRows {
		a.crowded = true
		return false
	}
	a.rows++
	return true
}

// Spread divides an amount over the intervals of the sample.
func (a sampleAxis) Spread(amount uint64, each func(interval int, part uint64)) {
	a.spread(a.from, a.to, a.clientStep(), amount, each)
}

// Last returns the interval in which the sample was taken.
func (a sampleAxis) Last() int { return a.index(a.to, a.clientStep()) }

// heard adds how a process answered in the round that began at a moment.
func (c *clientLine) heard(key processKey, began, recorded report.Stamp, b pulse) {
	_, began, ok := c.place(began, began, c.offset, recorded)
	p := c.process(key)
	if !ok || p == nil {
		return
	}
	cell := at(&p.cells, c.index(began, c.clientStep()))
	cell.beat = max(cell.beat, b)
}

// stalled adds to the stall that open names, or a new one if it names none, and returns
// its name.
func (c *clientLine) stalled(open int, key processKey, from, to, recorded report.Stamp, longest int64) int {
	from, to, ok := c.place(from, to, c.offset, recorded)
	switch {
	case !ok:
		return open
	case open > 0:
		s := &c.stalls[open-1]
		s.from, s.to, s.longest = min(s.from, from), max(s.to, to), max(s.longest, longest)
		return open
	case len(c.stalls) == maxStalls:
		c.leftOut++
		return 0
	}
	c.stalls = append(c.stalls, stall{key, max(from, c.start), to, longest})
	return len(c.stalls)
}

// bitmap is a set of intervals.
type bitmap []uint64

func (b *bitmap) set(i int) { *at((*[]uint64)(b), i/64) |= 1 << (i % 64) }

func (b bitmap) has(i int) bool { return i/64 < len(b) && b[i/64]&(1<<(i%64)) != 0 }

// move makes room for n intervals before the first.
func (b *bitmap) move(n int) {
	var moved bitmap
	for i := range len(*b) * 64 {
		if b.has(i) {
			moved.set(i + n)
		}
	}
	*b = moved
}

// halve merges neighbours: one that holds either.
func (b *bitmap) halve() {
	var half bitmap
	for i := range len(*b) * 64 {
		if b.has(i) {
			half.set(i / 2)
		}
	}
	*b = half
}
