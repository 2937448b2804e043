package fold

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"bulkhead/internal/latency"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold/turnout"
	"bulkhead/supervisor/report/judge"
	"bulkhead/supervisor/report/words"
)

// stages are those of all clients, by their names, in the order in which the clients that came have
// them.
type stages struct {
	byName  map[string]*stage
	list    []*stage
	leftOut uint64
}

// stage is what was done in the stages of one name.
type stage struct {
	number  int // from 1
	told    report.StageSpec
	differs bool

	bytes, chunks, errors, read uint64
	latencies                   [report.PhaseCount]latency.Compact

	consumers     uint64 // that began it
	began         uint64 // that said so
	paced         uint64 // of those, that have a rate
	offered       uint64 // bytes per second
	offeredChunks uint64 // millionths of chunks per second
}

// ownStage is a stage of one client.
type ownStage struct {
	of          *stage // nil if the report has no room for it
	unreported  bool
	middle      bool // and something that is reported came before it
	paused      bool // nobody writes right before it
	window      window
	bytes, read uint64
	gather      ownGather
}

// declared returns the stages of a new client; those of names that are not there yet are made.
func (all *stages) declared(list []report.StageSpec) []ownStage {
	if len(list) == 0 {
		return nil
	}
	own, reported, seen := make([]ownStage, len(list)), false, make(map[string]bool)
	for i := range list {
		own[i].unreported, own[i].middle = list[i].Unreported, reported
		own[i].paused, own[i].gather.pause = list[i].PauseNano > 0 || list[i].Together, list[i].PauseNano
		reported = reported || !list[i].Unreported
		if !seen[list[i].Name] { // one name twice is none of ours
			own[i].of = all.named(&list[i])
		} else {
			all.leftOut++
		}
		seen[list[i].Name] = true
	}
	return own
}

func (all *stages) named(told *report.StageSpec) *stage {
	st := all.byName[told.Name]
	switch {
	case st != nil:
		a, b := st.told, *told
		a.Curve, b.Curve = 0, 0 // how many others come before it says nothing
		st.differs = st.differs || a != b
	case len(all.list) == report.MaxRunStages:
		all.leftOut++
	default:
		st = &stage{number: len(all.list) + 1, told: *told}
		if all.byName == nil {
			all.byName = make(map[string]*stage)
		}
		all.byName[told.Name] = st
		all.list = append(all.list, st)
	}
	return st
}

// foldStageBegun notes that a consumer began a stage, with its rates.
func (s *sessionState) foldStageBegun(m *bulkheadv1.Message, b *bulkheadv1.StageBegun,
	at report.Stamp) report.Bad {
	if !saneAmounts(b.GetRateBytesPerSecond()) {
		return report.BadNumber
	}
	p, why := s.consumer(m.GetProcess(), at)
	if why != "" {
		return why
	}
	own := s.enter(p, b.GetStage())
	if own == nil || b.GetStage() == uint32(p.told) { // it said so already
		return ""
	}
	p.told = p.stage
	own.began(m.GetElapsedNano(), b.GetDueElapsedNano())
	if st := own.of; st != nil && uint32(p.stage) == b.GetStage() && !s.client.Resent {
		chunks := min(numberOrNone(b.GetRateChunksPerSecond()), report.MaxAmount)
		st.began++
		if b.GetRateBytesPerSecond() > 0 || chunks > 0 {
			st.paced++
		}
		st.offered = report.Plus(st.offered, b.GetRateBytesPerSecond())
		st.offeredChunks = report.Plus(st.offeredChunks, uint64(math.Round(min(chunks*1e6, report.MaxAmount))))
	}
	return ""
}

// enter returns the stage of a number that a consumer says to be in; nil for none. What cannot be is a
// contradiction.
func (s *sessionState) enter(p *processState, number uint32) *ownStage {
	if number == 0 && len(s.stages) == 0 {
		return nil
	}
	if number == 0 || number > uint32(len(s.stages)) {
		s.said.add(report.StrangeStage, 1, false, func() string {
			return fmt.Sprintf("consumer %d: stage %d of %d", p.key.index, number, len(s.stages))
		})
		return nil
	}
	own := &s.stages[number-1]
	switch {
	case number < uint32(p.stage):
		s.said.add(report.StageBackwards, 1, false, func() string {
			return fmt.Sprintf("consumer %d: stage %d after stage %d", p.key.index, number, p.stage)
		})
	case number > uint32(p.stage):
		p.stage = uint8(number)
		p.entered |= 1 << (number - 1)
		s.client.Stage = max(s.client.Stage, int(number))
		if own.of != nil && !s.client.Resent { // who of them are others is known at the end
			own.of.consumers++
		}
	}
	return own
}

// during returns which stage an interval of a consumer is of, if any, and what that means for the
// interval. One that does not say so is of the stage that the consumer said to have begun; before the
// first of them it is of none, and in no figure that is judged, as it takes no time of theirs.
func (s *sessionState) during(p *processState, m *bulkheadv1.Progress) (*ownStage, portion) {
	var own *ownStage
	if m.GetStage() != 0 || m.GetIntervalNano() != 0 { // else it may be what comes behind the last
		own = s.enter(p, m.GetStage())
	}
	if own == nil && p.stage > 0 {
		own = &s.stages[p.stage-1]
	}
	switch {
	case own != nil:
	case len(s.stages) == 0:
		return nil, portion{unjudged: m.GetWarmup()}
	default:
		return nil, portion{unjudged: true, middle: true}
	}
	in := portion{unjudged: own.unreported || m.GetWarmup(), middle: own.unreported && own.middle}
	if own.of != nil {
		in.stage = uint16(own.of.number)
	}
	return own, in
}

// add adds an interval of a consumer of the client to its stage.
func (own *ownStage) add(m *bulkheadv1.Progress, list *[report.PhaseCount]*latency.Histogram, from,
	to report.Stamp) {
	// What is done behind its end, as in the pause, takes no time of it: that of a write counts, as it was
	// begun in the stage; reads continue in between, and are of none.
	timed, read := m.GetIntervalNano() > 0, uint64(0)
	if timed {
		read = m.GetReadBytes()
	}
	if timed || m.GetBytes() > 0 && own.window == (window{}) {
		own.window.cover(from, to)
	}
	own.bytes, own.read = report.Plus(own.bytes, m.GetBytes()), report.Plus(own.read, read)
	st := own.of
	if st == nil {
		return
	}
	st.bytes, st.chunks = report.Plus(st.bytes, m.GetBytes()), report.Plus(st.chunks, m.GetChunks())
	st.errors, st.read = report.Plus(st.errors, m.GetErrors()), report.Plus(st.read, read)
	for of, h := range list {
		if phase := report.Phase(of); !timed && (phase == report.PhaseRead || phase == report.PhaseReadResponse) {
			continue
		}
		st.latencies[of].MergeHistogram(h)
	}
}

// reported returns the times of a window in which a client was in stages that are reported: of a load
// without stages, all of it.
func (s *sessionState) reported(of window) []window {
	if len(s.stages) == 0 || of == (window{}) {
		return []window{of}
	}
	var list []window
	for i := range s.stages {
		own := &s.stages[i]
		if w := own.window; !own.unreported && w.from < of.to && w.to > of.from {
			list = append(list, w.within(of))
		}
	}
	return list
}

// together returns how long the time is that some windows cover. It sorts them.
func together(list []window) int64 {
	slices.SortFunc(list, func(a, b window) int { return cmp.Compare(a.from, b.from) })
	var length int64
	var until report.Stamp
	for _, w := range list {
		if w.to > until {
			length += report.Between(max(w.from, until), w.to)
			until = w.to
		}
	}
	return length
}

// inStage is what of the clients that have a stage is known only as the report is made.
type inStage struct {
	turnout.Stage
	all                  window // from the first begin to the last end
	lastBegun, firstDone report.Stamp
	longest              int64
	bytes, read          uint64 // per second
	gather               *report.StageGather
}

// stageReport sets the stages and curves of r, which has its clients.
func (f *Folder) stageReport(r *report.Report, running bool) {
	sums := make([]inStage, len(f.stages.list))
	for i, one := range f.turnout(r.Clients, running) {
		sums[i].Stage, sums[i].gather = one, f.stageGather(f.stages.list[i])
	}
	for i, s := range f.order {
		s.inStages(&f.clock, window{f.run.StartedAt, f.last}, sums)
		f.attendGathers(s, &r.Clients[i], sums, running)
	}
	r.Stages, r.StagesLeftOut, r.Curves = make([]report.Stage, 0, len(sums)), f.stages.leftOut, []report.Curve{}
	for i, st := range f.stages.list {
		r.Stages = append(r.Stages, st.build(&sums[i]))
	}
	r.Curves = append(r.Curves, judge.Curves(r.Stages, running)...)
	for i := range r.Stages {
		s := &r.Stages[i]
		if g := s.Gather; g != nil {
			if len(g.Came) == 0 {
				g.Awaited = []string{}
			}
			g.Text = words.StageGather(r, g)
		}
		s.RateText, s.Note = words.StageRate(s), words.StageNote(s)
	}
}

// turnout returns who was in each stage, of clients that are finished but for that.
func (f *Folder) turnout(clients []report.Client, running bool) []turnout.Stage {
	sessions := make([]turnout.Session, len(f.order))
	for i, s := range f.order {
		numbers := make([]int, len(s.stages))
		for k, own := range s.stages {
			if own.of != nil {
				numbers[k] = own.of.number
			}
		}
		sessions[i] = turnout.Session{Client: &clients[i], Stages: numbers, Consumers: s.staged}
	}
	return turnout.Count(sessions, len(f.stages.list), running)
}

// staged returns the consumers that were in a stage.
func (s *sessionState) staged() []turnout.Consumer {
	var list []turnout.Consumer
	for key, of := range s.processes {
		for _, p := range of {
			if p.entered != 0 {
				list = append(list, turnout.Consumer{Index: key.index, Pid: p.public.Pid, Entered: p.entered})
			}
		}
	}
	return list
}

// inStages adds when a client was in its stages, and how fast. Of what was delivered later the clock
// was never compared.
func (s *sessionState) inStages(clock *axis, run window, sums []inStage) {
	offset := s.offset(clock)
	for k := range s.stages {
		own := &s.stages[k]
		if own.of == nil || own.window == (window{}) || s.client.Resent {
			continue
		}
		sum := &sums[own.of.number-1]
		w := own.window.moved(offset).within(run)
		sum.all.cover(w.from, w.to)
		sum.lastBegun = max(sum.lastBegun, w.from)
		if sum.firstDone == 0 || w.to < sum.firstDone {
			sum.firstDone = w.to
		}
		length := own.window.length()
		sum.longest = max(sum.longest, w.length())
		sum.bytes = report.Plus(sum.bytes, report.PerSecond(own.bytes, length))
		sum.read = report.Plus(sum.read, report.PerSecond(own.read, length))
	}
}

// build returns a stage in its final form but for its words.
func (st *stage) build(sum *inStage) report.Stage {
	s := report.Stage{
		Number: st.number, Name: st.told.Name, Told: st.told, Differs: st.differs,
		Clients: sum.Clients, Finished: sum.Finished, Unreached: sum.Unreached, Consumers: st.consumers + sum.Late,
		FromAt: sum.all.from, ToAt: sum.all.to, LengthNano: sum.all.length(),
		Bytes: st.bytes, Chunks: st.chunks, Errors: st.errors, BytesPerSecond: sum.bytes,
		ReadBytes: st.read, ReadBytesPerSecond: sum.read, Gather: sum.gather,
	}
	if sum.longest > 0 {
		common := report.Between(sum.lastBegun, sum.firstDone)
		s.OverlapPercent = math.Floor(1000*float64(common)/float64(sum.longest)) / 10
	}
	if st.paced == st.began && st.began == st.consumers {
		s.OfferedBytesPerSecond, s.OfferedChunksPerSecond = st.offered, float64(st.offeredChunks)/1e6
	}
	of := &st.latencies
	whole := report.Writes{Reads: new(report.Reads)}
	whole.SetLatencies(func(phase report.Phase) report.Latency { return latencyOf(&of[phase]) })
	s.ChunkWrite, s.Response, s.Phases = whole.ChunkWrite, whole.Response, whole.Phases
	if whole.Reads.Latency.Count > 0 {
		s.Read, s.ReadResponse = &whole.Reads.Latency, whole.Reads.Response
	}
	return s
}
