package fold

import (
	"strings"

	"bulkhead/internal/config"
	"bulkhead/internal/plaintext"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// gatherOf returns how a run gathers; nil if it does not.
func gatherOf(g *bulkheadv1.Gather) *report.Gather {
	if g == nil {
		return nil
	}
	out := &report.Gather{TimeoutNano: durationOrNone(g.GetTimeoutNano()), IfShort: report.IfShortAbort,
		Missing: []report.GatherMissing{}}
	if g.GetIfShort() == bulkheadv1.IfShort_IF_SHORT_START {
		out.IfShort = report.IfShortStart
	}
	return out
}

// maxMissing is how many of those are listed that a gather missed.
const maxMissing = 1000

// foldGathered takes how the gather ended; the last record counts.
func (f *Folder) foldGathered(e *bulkheadv1.GatherEnded, at report.Stamp) {
	g := f.run.Gather
	if g == nil {
		g = gatherOf(&bulkheadv1.Gather{})
	}
	g = &report.Gather{TimeoutNano: g.TimeoutNano, IfShort: g.IfShort, End: gatherEnd(e.GetHow()), DecidedAt: at,
		Ready: len(e.GetReady()), Missing: []report.GatherMissing{}}
	since := f.run.StartedAt
	if f.gatherFromFirst && len(f.order) > 0 {
		since = f.order[0].client.OpenedAt
	}
	g.WaitedNano = report.Between(since, at)
	if begin := e.GetBeginElapsedNano(); begin > 0 {
		g.BeginAt = f.clock.at(at, begin)
	}
	g.Missing = append(g.Missing, missingOf(e.GetMissing())...)
	f.run.Gather = g
	f.gathered = make(map[uint32]bool, len(e.GetReady()))
	for _, session := range e.GetReady() {
		f.gathered[session] = true
	}
}

func missingOf(from []*bulkheadv1.GatherMissing) (list []report.GatherMissing) {
	for _, m := range from[:min(len(from), maxMissing)] {
		list = append(list, report.GatherMissing{Name: plaintext.Line(m.GetName(), plaintext.MaxName),
			Clients: max(m.GetClients(), 1), State: gatherState(m.GetState())})
	}
	return list
}

func gatherEnd(e bulkheadv1.GatherEnd) string {
	switch e {
	case bulkheadv1.GatherEnd_GATHER_END_COMPLETE:
		return report.GatherComplete
	case bulkheadv1.GatherEnd_GATHER_END_SHORT:
		return report.GatherShort
	case bulkheadv1.GatherEnd_GATHER_END_ABORTED:
		return report.GatherAborted
	default:
		return report.GatherUnknown
	}
}

func gatherState(s bulkheadv1.GatherState) string {
	switch s {
	case bulkheadv1.GatherState_GATHER_STATE_NOT_READY:
		return report.GatherMissingNotReady
	case bulkheadv1.GatherState_GATHER_STATE_GONE:
		return report.GatherMissingGone
	default:
		return report.GatherMissingNotConnected
	}
}

// begun is what a client said of the begin of its load.
type begun struct {
	at      report.Stamp // by its clock; 0 if it did not say
	elapsed int64        // the same, by its clock that is never set
	ahead   int64        // how far the supervisor's is ahead of that, if trip is not 0
	trip    int64
}

func (s *sessionState) foldBegun(m *bulkheadv1.Message, at report.Stamp) report.Bad {
	e := m.GetBegun()
	if !saneDurations(e.GetRoundTripNano()) {
		return report.BadNumber
	}
	if s.begun.at == 0 {
		s.begun = begun{at: at, elapsed: m.GetElapsedNano(), ahead: e.GetClockAheadNano(), trip: e.GetRoundTripNano()}
	}
	return ""
}

// offset returns the client's clock less the supervisor's: as the client measured it, if what arrived
// does not contradict that, or else by the message that was on its way for the shortest time.
func (s *sessionState) offset(supervisor *axis) int64 {
	least, b := s.client.ClockOffsetNano, s.begun
	if b.trip == 0 || b.elapsed <= 0 || !supervisor.known {
		return least
	}
	there := b.elapsed + b.ahead
	if there <= 0 || there > report.MaxTime {
		return least
	}
	measured := int64(b.at - supervisor.at(b.at, there))
	if measured < least-b.trip || measured-least > maxDelay {
		return least
	}
	return measured
}

// maxDelay is the longest that the least delayed message of a client may have been on its way,
// for what it measured itself to be believed.
const maxDelay = int64(10e9)

// gathering sets what a client was in a run that gathers.
func (f *Folder) gathering(s *sessionState, c *report.Client) {
	c.LoadBeganAt, c.RoundTripNano = s.begun.at, s.begun.trip
	g := f.run.Gather
	if g == nil || c.Resent {
		return
	}
	switch {
	case s.minor < protocol.MinorGather:
		c.Gathered = report.GatheredUnable
	case s.begun.at == 0 && c.DrainedAt != 0 && (g.DecidedAt == 0 || c.DrainedAt <= g.DecidedAt):
		c.Gathered = report.GatheredExcused
	case s.begun.at == 0:
		c.Gathered = report.GatheredNot
	case g.BeginAt == 0: // it moved here from another run, and had begun there
		c.Gathered = report.GatheredLate
	default:
		c.Gathered = report.GatheredReady
		c.LoadLateNano = int64(s.begun.at) - s.offset(&f.clock) - int64(g.BeginAt)
		if !f.gathered[c.Session] || c.LoadLateNano > report.LateLeast {
			c.Gathered = report.GatheredLate
		}
	}
}

// maxAssertions is how many thresholds of a run are kept.
const maxAssertions = 100

// assertionsOf returns the thresholds of a run; nil if it has none.
func assertionsOf(texts []string) []report.Assertion {
	var list []report.Assertion
	for _, text := range texts[:min(len(texts), maxAssertions)] {
		list = append(list, report.Assertion{Text: plaintext.Line(text, plaintext.MaxText),
			State: report.AssertionOpen})
	}
	return list
}

// foldBreached notes that a threshold was not kept; the first time counts.
func (f *Folder) foldBreached(e *bulkheadv1.AssertionBreached, at report.Stamp) {
	text := plaintext.Line(e.GetAssertion(), plaintext.MaxText)
	for i := range f.run.Assertions {
		if a := &f.run.Assertions[i]; a.Text == text && a.Breach == "" {
			a.State, a.BreachedAt = report.AssertionBroken, at
			a.Breach = plaintext.Line(e.GetValue(), plaintext.MaxText)
		}
	}
}

// maxJobClients is how many agents of a job are kept.
const maxJobClients = 1024

// jobOf returns the job that a run was begun for.
func jobOf(e *bulkheadv1.JobStarted) *report.Job {
	j := &report.Job{Name: plaintext.Line(e.GetName(), plaintext.MaxName), Number: e.GetNumber(), Of: e.GetOf(),
		File: cleanFile(e.GetText()), Clients: []report.JobClient{}}
	for _, c := range e.GetClients()[:min(len(e.GetClients()), maxJobClients)] {
		j.Clients = append(j.Clients, jobClient(c))
	}
	return j
}

func jobClient(c *bulkheadv1.JobClient) report.JobClient {
	return report.JobClient{Agent: plaintext.Line(c.GetAgent(), plaintext.MaxName),
		Client: plaintext.Line(c.GetClient(), plaintext.MaxName), Entry: c.GetEntry()}
}

// foldJobJoined adds an agent that came while the run went on.
func (f *Folder) foldJobJoined(c *bulkheadv1.JobClient) {
	if j := f.run.Job; j != nil && len(j.Clients) < maxJobClients {
		late := jobClient(c)
		late.Late = true
		j.Clients = append(j.Clients, late)
	}
}

// cleanFile makes what a file holds safe to print; its lines and their indents stay.
func cleanFile(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		body := strings.TrimRight(line, "\r\n")
		b.WriteString(plaintext.Line(body, max(config.MaxFile-b.Len(), 0)))
		if b.Len() >= config.MaxFile {
			break
		}
		if body != line {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// ownGather is how a client began a stage that clients begin together.
type ownGather struct {
	pause int64
	late  int64 // how long after the moment its last consumer began it, by its own clock
	alone bool  // a consumer began it without a moment that the supervisor named
	begun bool
}

// began notes that a consumer began the stage, and at which moment it was let begin, both by the
// client's clock that is never set; due is 0 if nobody named one.
func (own *ownStage) began(at, due int64) {
	g := &own.gather
	g.begun = true
	if due <= 0 || at <= 0 {
		g.alone = true
		return
	}
	g.late = max(g.late, report.Between(report.Stamp(due), report.Stamp(at))-g.pause)
}

// stageGathered is a decision when a stage begins.
type stageGathered struct {
	gather report.StageGather
	ready  map[uint32]bool // sessions
}

// foldStageGathered takes when a stage begins for which clients wait; the last record of a stage counts.
func (f *Folder) foldStageGathered(e *bulkheadv1.StageGathered, at report.Stamp) {
	name := plaintext.Line(e.GetStage(), plaintext.MaxName)
	if f.stageGathers == nil {
		f.stageGathers = make(map[string]*stageGathered)
	}
	if f.stageGathers[name] == nil && len(f.stageGathers) == report.MaxRunStages {
		return
	}
	g := &stageGathered{gather: report.StageGather{End: gatherEnd(e.GetHow()), DecidedAt: at,
		WaitedNano: durationOrNone(e.GetWaitedNano()), Ready: len(e.GetReady()), Missing: missingOf(e.GetMissing())},
		ready: make(map[uint32]bool, len(e.GetReady()))}
	if begin := e.GetBeginElapsedNano(); begin > 0 {
		g.gather.BeginAt = f.clock.at(at, begin)
	}
	for _, session := range e.GetReady() {
		g.ready[session] = true
	}
	f.stageGathers[name] = g
}

// stageGather returns how a stage was begun together, but for who was late; nil if nobody waits for it.
func (f *Folder) stageGather(st *stage) *report.StageGather {
	was := f.stageGathers[st.told.Name]
	if was == nil && !st.told.Together {
		return nil
	}
	g := report.StageGather{}
	if was != nil {
		g = was.gather
	}
	g.Missing = append([]report.GatherMissing{}, g.Missing...)
	g.Late, g.Alone, g.Unable, g.TimeoutNano = []string{}, []string{}, []string{}, st.told.TogetherTimeoutNano
	g.Came, g.Awaited = []string{}, []string{}
	return &g
}

// attendGathers adds how a client began those of its stages that clients begin together, or waits for
// them while its load is not over.
func (f *Folder) attendGathers(s *sessionState, c *report.Client, sums []inStage, running bool) {
	over := !running || c.StopReason != "" || c.Outcome != report.OutcomeOpen
	for k := range s.stages {
		if of := s.stages[k].of; of != nil {
			f.attendGather(s, c, k, sums[of.number-1].gather, over)
		}
	}
}

// attendGather adds how a client began its stage k, counted from 0.
func (f *Folder) attendGather(s *sessionState, c *report.Client, k int, g *report.StageGather, over bool) {
	own := &s.stages[k].gather
	if g == nil || c.Resent || k >= len(c.Workload.Stages) || !c.Workload.Stages[k].Together {
		return
	}
	if !own.begun {
		switch {
		case over || g.End != "" || c.Stage > k:
		case s.stageReady > uint32(k):
			g.Came = append(g.Came, c.Label)
		default:
			g.Awaited = append(g.Awaited, c.Label)
		}
		return
	}
	was := f.stageGathers[c.Workload.Stages[k].Name]
	switch {
	case s.minor < protocol.MinorTogether:
		g.Unable = append(g.Unable, c.Label)
	case own.alone:
		g.Alone = append(g.Alone, c.Label)
	case own.late > report.LateLeast || was != nil && !was.ready[c.Session]:
		g.Late, g.LateNano = append(g.Late, c.Label), max(g.LateNano, own.late)
	}
}
