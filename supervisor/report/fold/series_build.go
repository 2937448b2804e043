package fold

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/latency"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// series returns the run over time. r has its clients; union is the latencies of all of
// them.
func (f *Folder) series(r *report.Report, union *[report.PhaseCount]latency.Histogram) *report.Series {
	t := &f.time
	if t.first == 0 && f.records > 0 { // nobody ever came: there are no cells
		waited := timeline{start: t.start, step: t.step}
		waited.reach(t.start, f.last)
		t = &waited
	}
	t.fit()
	s := &report.Series{
		StartAt:            t.start + report.Stamp(t.offset()),
		EndAt:              t.last,
		OffsetNano:         t.offset(),
		IntervalNano:       t.step,
		Intervals:          t.intervals(),
		ClientIntervalNano: t.clientStep(),
		ClientIntervals:    t.clientIntervals(),
		Clients:            make([]report.ClientSeries, 0, len(t.lines)),
		Distribution:       binsOf(&union[report.PhaseWrite]),
		Phases:             []report.PhaseSeries{},
	}
	if t.warm > 0 {
		s.WarmUpIntervals = t.index(t.warm, t.step) + 1
	}
	s.Unreported = t.unreported(s.Intervals)
	s.Total = t.total(t.lines)
	for of := report.PhaseResponse; of < report.PhaseCount; of++ {
		if union[of].Count() > 0 {
			s.Phases = append(s.Phases, t.phase(of, &union[of]))
		}
	}
	for i, line := range t.lines {
		s.Clients = append(s.Clients, line.build(r.Clients[i].Session, s.ClientIntervals))
	}
	s.Events, s.EventsLeftOut = f.events(r)
	s.ReducedText = t.reduced(s)
	return s
}

// unreported returns the stretches of n intervals that are not judged although such that are came before.
func (t *timeline) unreported(n int) []report.Stretch {
	list := []report.Stretch{}
	for i := range n {
		switch last := len(list) - 1; {
		case !t.apart.has(i):
		case last >= 0 && list[last].To == i:
			list[last].To++
		default:
			list = append(list, report.Stretch{From: i, To: i + 1})
		}
	}
	return list
}

// total returns all clients together.
func (t *timeline) total(lines []*clientLine) report.TotalSeries {
	cells := t.all()
	n := len(cells)
	write := t.phase(report.PhaseWrite, nil)
	s := report.TotalSeries{
		Bytes: make([]uint64, n), Chunks: make([]uint64, n), Errors: make([]uint64, n), Rollovers: make([]uint64, n),
		P50Nano: write.P50Nano, P99Nano: write.P99Nano, P999Nano: write.P999Nano, MaxNano: write.MaxNano,
		Active: make([]uint32, n), VerifiedBytes: make([]uint64, n), CorruptBlocks: make([]uint64, n),
		ReadBytes: make([]uint64, n),
	}
	for i := range cells {
		c := &cells[i]
		s.Bytes[i], s.Chunks[i], s.Errors[i], s.Rollovers[i] = c.bytes, c.chunks, c.errors, c.rollovers
		s.VerifiedBytes[i], s.CorruptBlocks[i], s.ReadBytes[i] = c.verified, c.corrupt, c.read
		for _, line := range lines {
			if line.active.has(i) {
				s.Active[i]++
			}
		}
	}
	return s
}

// all returns the intervals of all clients together, with those that nothing fell into.
func (t *timeline) all() []totalCell {
	n := t.intervals()
	return slices.Grow(slices.Clone(t.cells), n-min(n, len(t.cells)))[:n]
}

// phase returns one kind of latency over time. Of chunks, which are written all the time,
// an interval without a value shows that of the nearest one, and of responses that of a
// neighbour; files are not made all the time. union is all its values, for the distribution.
func (t *timeline) phase(of report.Phase, union *latency.Histogram) report.PhaseSeries {
	cells := t.all()
	n := len(cells)
	s := report.PhaseSeries{
		Name:    report.PhaseNames[of],
		P50Nano: make([]int64, n), P99Nano: make([]int64, n), P999Nano: make([]int64, n), MaxNano: make([]int64, n),
		Distribution: binsOf(union),
	}
	has := func(i int) bool { return cells[i].latencies[of] != nil }
	wrote := has
	switch of {
	case report.PhaseWrite:
		wrote = func(i int) bool { return cells[i].bytes > 0 || has(i) }
	case report.PhaseResponse:
		wrote = beside(n, func(i int) bool { return cells[i].bytes > 0 }, has)
	}
	for i, from := range nearest(n, wrote, has) {
		s.P50Nano[i], s.P99Nano[i], s.P999Nano[i], s.MaxNano[i] = -1, -1, -1, -1
		if from >= 0 {
			h := cells[from].latencies[of]
			s.P50Nano[i], s.P99Nano[i] = int64(h.Quantile(0.5)), int64(h.Quantile(0.99))
			s.P999Nano[i], s.MaxNano[i] = int64(h.Quantile(0.999)), int64(h.Max())
		}
	}
	return s
}

// nearest returns, for each of n intervals, from which interval it takes its latency:
// from itself, or else, if something was written in it, from the nearest that has one,
// the earlier of two; -1 for none.
func nearest(n int, wrote, has func(int) bool) []int {
	list := make([]int, n)
	before := -1
	for i := range list {
		if has(i) {
			before = i
		}
		list[i] = before
	}
	after := -1
	for i := n - 1; i >= 0; i-- {
		if has(i) {
			after = i
		}
		switch {
		case !wrote(i):
			list[i] = -1
		case after >= 0 && (list[i] < 0 || after-i < i-list[i]):
			list[i] = after
		}
	}
	return list
}

// beside reports of each of n intervals whether it has a value, or was written in and a
// neighbour has one: a Progress may fall to either side of a border.
func beside(n int, wrote, has func(int) bool) func(int) bool {
	return func(i int) bool {
		return has(i) || wrote(i) && (i > 0 && has(i-1) || i+1 < n && has(i+1))
	}
}

// build returns the client in its final form, with n intervals.
func (c *clientLine) build(session uint32, n int) report.ClientSeries {
	s := report.ClientSeries{
		Session: session, Bytes: make([]uint64, n), Rollovers: make([]uint64, n), Errors: make([]uint64, n),
		P99Nano: make([]int64, n), MaxNano: make([]int64, n), ResponseP99Nano: []int64{}, CorruptBlocks: []uint64{},
		ReadBytes: []uint64{}, Stages: []uint32{},
		Processes: make([]report.ProcessSeries, 0, len(c.processes)),
	}
	cells := slices.Grow(slices.Clone(c.cells), n-min(n, len(c.cells)))[:n]
	known := nearest(n, func(i int) bool { return cells[i].bytes > 0 || cells[i].written },
		func(i int) bool { return cells[i].written })
	for i, cell := range cells {
		s.Bytes[i], s.Rollovers[i], s.Errors[i] = cell.bytes, cell.rollovers, cell.errors
		s.P99Nano[i], s.MaxNano[i] = -1, -1
		if known[i] >= 0 {
			s.P99Nano[i], s.MaxNano[i] = cells[known[i]].p99, cells[known[i]].max
		}
	}
	if responded := func(i int) bool { return cells[i].responded }; slices.ContainsFunc(cells,
		func(c clientCell) bool { return c.responded }) {
		known = nearest(n, beside(n, func(i int) bool { return cells[i].bytes > 0 }, responded), responded)
		for _, from := range known {
			p99 := int64(-1)
			if from >= 0 {
				p99 = cells[from].response
			}
			s.ResponseP99Nano = append(s.ResponseP99Nano, p99)
		}
	}
	if slices.ContainsFunc(cells, func(c clientCell) bool { return c.corrupt > 0 }) {
		for _, cell := range cells {
			s.CorruptBlocks = append(s.CorruptBlocks, cell.corrupt)
		}
	}
	if slices.ContainsFunc(cells, func(c clientCell) bool { return c.read > 0 }) {
		for _, cell := range cells {
			s.ReadBytes = append(s.ReadBytes, cell.read)
		}
	}
	if slices.ContainsFunc(cells, func(c clientCell) bool { return c.stage > 0 }) {
		for _, cell := range cells {
			s.Stages = append(s.Stages, uint32(cell.stage))
		}
	}
	s.Machine = c.samples.Build(n)
	for _, key := range slices.SortedFunc(maps.Keys(c.processes), processKey.compare) {
		s.Processes = append(s.Processes, c.processes[key].build(key, n))
	}
	return s
}

func (k processKey) compare(o processKey) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), cmp.Compare(k.index, o.index))
}

// String returns the name of a process, such as "consumer 0".
func (k processKey) String() string {
	return words.ProcessName(&report.Process{Kind: kindOf(k.kind), Index: k.index})
}

func (p *processLine) build(key processKey, n int) report.ProcessSeries {
	s := report.ProcessSeries{Kind: kindOf(key.kind), Index: key.index, Name: key.String(), CPU: make([]float32, n),
		ResidentBytes: make([]uint64, n)}
	var row strings.Builder
	for i := range n {
		var cell processCell
		if i < len(p.cells) {
			cell = p.cells[i]
		}
		s.CPU[i] = -1
		if cell.sampled > 0 {
			s.CPU[i] = float32(math.Round(1000*float64(cell.cpu)/float64(cell.sampled)) / 1000)
		}
		s.ResidentBytes[i] = cell.resident
		row.WriteByte(beats[cell.beat])
	}
	s.Beats = row.String()
	return s
}

// binsOf returns a histogram, which may be nil, in at most MaxBins bins.
func binsOf(fine *latency.Histogram) []report.Bin {
	bins := []report.Bin{}
	var h latency.Compact
	h.MergeHistogram(fine)
	for wider := 0; ; wider++ {
		bins = bins[:0]
		for r := range h.Ranges(wider) {
			bins = append(bins, report.Bin{FromNano: int64(r.From), ToNano: int64(r.To), Count: r.Count})
		}
		if len(bins) <= report.MaxBins {
			return bins
		}
	}
}

// reduced returns in words what of the series was reduced.
func (t *timeline) reduced(s *report.Series) string {
	if s.Intervals == 0 {
		return "nothing: there is no run"
	}
	parts := []string{"all clients in intervals of " + human.Duration(s.IntervalNano)}
	if s.ClientIntervalNano != s.IntervalNano {
		parts = append(parts, "each client in intervals of "+human.Duration(s.ClientIntervalNano))
	}
	if s.OffsetNano > 0 {
		parts = append(parts, "from +"+human.Duration(s.OffsetNano)+" of the run on, when the first client was active")
	}
	if t.crowded {
		parts = append(parts, "some processes left out")
	}
	if s.EventsLeftOut > 0 {
		parts = append(parts, words.Plural(s.EventsLeftOut, "event")+" left out")
	}
	if t.outside > 0 {
		parts = append(parts, fmt.Sprintf("%s written before the run left out", human.Size(t.outside)))
	}
	return strings.Join(parts, "; ")
}
