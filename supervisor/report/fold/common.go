package fold

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"bulkhead/internal/latency"
	"bulkhead/supervisor/report"
)

// maxWithout is how many of those are listed that a common window is not of.
const maxWithout = 1000

// commonWindow returns the time in which every client of r, which has its clients, wrote; nil if
// nobody was to write.
func (f *Folder) commonWindow(r *report.Report, running bool) *report.CommonWindow {
	w := &report.CommonWindow{Without: []report.WindowWithout{}, IntervalNano: f.time.step, Running: running}
	var starts, ends []report.WindowEdge
	var begins window // of the clients' first writes
	var apart []window
	for i, s := range f.order {
		c := &r.Clients[i]
		why := ""
		switch {
		case c.Resent && c.Bytes > 0:
			why = report.WithoutClock
		case c.Resent, c.Bytes == 0 && len(c.Workload.Consumers) == 0:
			continue
		case c.Bytes == 0:
			why = report.WithoutWriting
		}
		if why != "" {
			if len(w.Without) < maxWithout {
				w.Without = append(w.Without, report.WindowWithout{Session: c.Session, Client: c.Label, Why: why})
			} else {
				w.WithoutLeftOut++
			}
			continue
		}
		of, whole := f.wrote(s, c)
		if len(of) == 0 {
			continue
		}
		w.Clients++
		w.Consumers += len(of)
		between := s.between(s.offset(&f.clock))
		apart = append(apart, between...)
		w.LongestNano = max(w.LongestNano, whole.length()-covered(between, whole))
		begins.cover(whole.from, whole.from)
		for _, one := range of {
			starts = append(starts, one.edge(c, one.from))
			ends = append(ends, one.edge(c, one.to))
		}
	}
	if w.Clients == 0 {
		return nil
	}
	w.StartSpreadNano = begins.length()
	w.LastBegun = slices.MaxFunc(starts, laterEdge)
	w.FirstDone = slices.MinFunc(ends, laterEdge)
	if w.FirstDone.At <= w.LastBegun.At {
		return w
	}
	w.FromAt, w.ToAt = w.LastBegun.At, w.FirstDone.At
	w.Apart, w.LengthNano = spans(apart, window{w.FromAt, w.ToAt}), report.Between(w.FromAt, w.ToAt)
	for _, one := range w.Apart {
		w.LengthNano -= report.Between(one.FromAt, one.ToAt)
	}
	if w.LengthNano == 0 {
		w.FromAt, w.ToAt, w.Apart = 0, 0, nil
		return w
	}
	if w.LongestNano > 0 {
		w.OverlapPercent = math.Floor(1000*float64(w.LengthNano)/float64(w.LongestNano)) / 10
	}
	f.time.figures(w)
	return w
}

// writing is the time in which a consumer wrote, on the supervisor's clock.
type writing struct {
	key processKey
	window
}

func (w writing) edge(c *report.Client, at report.Stamp) report.WindowEdge {
	return report.WindowEdge{Session: c.Session, Client: c.Label, Process: w.key.String(), At: at}
}

// laterEdge orders edges by their moment; of the same moment, by whose they are.
func laterEdge(a, b report.WindowEdge) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(b.Session, a.Session), cmp.Compare(b.Process, a.Process))
}

// wrote returns when each consumer of a client that wrote something did, and when the client did.
func (f *Folder) wrote(s *sessionState, c *report.Client) (list []writing, whole window) {
	run, offset := window{f.run.StartedAt, f.last}, s.offset(&f.clock)
	for _, key := range slices.SortedFunc(maps.Keys(s.processes), processKey.compare) {
		var own window
		for _, p := range s.processes[key] { // that followed each other
			if p.writes.Bytes > 0 && p.window != (window{}) {
				own.cover(p.window.from, p.window.to)
			}
		}
		if own == (window{}) {
			continue
		}
		own = own.moved(offset).within(run)
		whole.cover(own.from, own.to)
		list = append(list, writing{key, own})
	}
	return list, whole
}

// figures sets what was written in the whole intervals that are in a window.
func (t *timeline) figures(w *report.CommonWindow) {
	from, to := t.inside(w.FromAt, w.ToAt)
	if to <= from {
		return
	}
	zero := t.zero(t.step)
	var of [report.PhaseCount]latency.Compact
	for i := from - zero; i < to-zero; i++ {
		begin := t.start + report.Stamp(int64(i+zero)*t.step)
		if i >= 0 && t.apart.has(i) || !w.Holds(begin, t.step) {
			continue
		}
		if w.Intervals++; w.Intervals == 1 {
			w.FiguresFromAt = begin
		}
		if i < 0 || i >= len(t.cells) {
			continue
		}
		c := &t.cells[i]
		w.Bytes, w.Chunks = report.Plus(w.Bytes, c.bytes), report.Plus(w.Chunks, c.chunks)
		w.Errors, w.ReadBytes = report.Plus(w.Errors, c.errors), report.Plus(w.ReadBytes, c.read)
		for phase := range of {
			of[phase].Merge(c.latencies[phase])
		}
	}
	length := int64(w.Intervals) * t.step
	w.BytesPerSecond = report.PerSecond(w.Bytes, length)
	w.ReadBytesPerSecond = report.PerSecond(w.ReadBytes, length)
	whole := report.Writes{Reads: new(report.Reads)}
	whole.SetLatencies(func(phase report.Phase) report.Latency { return latencyOf(&of[phase]) })
	w.ChunkWrite, w.Response, w.Phases = whole.ChunkWrite, whole.Response, whole.Phases
	if whole.Reads.Latency.Count > 0 {
		w.Read, w.ReadResponse = &whole.Reads.Latency, whole.Reads.Response
	}
}

// inside returns the numbers of the intervals, from the first to the one behind the last, that lie
// wholly in a time.
func (t *timeline) inside(from, to report.Stamp) (first, last int) {
	if t.step <= 0 {
		return 0, 0
	}
	return int((max(int64(from-t.start), 0) + t.step - 1) / t.step), int(max(int64(to-t.start), 0) / t.step)
}

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
