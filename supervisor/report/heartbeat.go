package report

import (
	"cmp"
	"slices"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// heartbeatState is what the fold keeps of one process's heartbeats.
type heartbeatState struct {
	totals     HeartbeatTotals
	latencySum uint64 // ns, of all answers
	latencyMax int64  // ns
	maxStalled int64
	missed     tally[string]
	stall      int // names its stall that goes on; 0 for none
	silence    int // names its row of missed rounds that goes on; 0 for none
}

// foldHeartbeat folds one round. Each process counts once in a round, and each
// round once for a client.
func (s *sessionState) foldHeartbeat(h *bulkheadv1.Heartbeat, at Stamp) string {
	if len(h.GetAnswers())+len(h.GetMisses()) > maxProcesses {
		return badCrowd
	}
	if h.GetRound() <= s.round {
		return badRound
	}
	if !saneDurations(h.GetTimeoutNano()) {
		return badNumber
	}
	if t := h.GetStartedUnixNano(); t != 0 && !saneTime(t) {
		return badTime
	}
	asked, why := s.asked(h)
	if why != "" {
		return why
	}
	s.round = h.GetRound()
	s.client.Heartbeats.Rounds++
	began := at
	if t := s.clock.moment(h.GetStartedUnixNano(), h.GetStartedElapsedNano()); t != 0 {
		began = t
	}
	for i, a := range h.GetAnswers() {
		p := asked[i]
		p.lastAt = max(p.lastAt, at)
		p.heartbeats.answer(a)
		s.client.Heartbeats.countAnswer(a)
		s.heard(p, a, began)
	}
	for i, m := range h.GetMisses() {
		p := asked[len(h.GetAnswers())+i]
		p.heartbeats.miss(m)
		p.heartbeats.stall = 0
		p.heartbeats.silence = s.line.silent(p.heartbeats.silence, p.key, began, at, s.recorded, m.GetReason())
		s.line.heard(p.key, began, s.recorded, beatMissed)
		s.client.Heartbeats.Missed++
	}
	return ""
}

// heard puts an answer to the round that began at a moment on the axis of time.
func (s *sessionState) heard(p *processState, a *bulkheadv1.HeartbeatAnswer, began Stamp) {
	b, open := beatAnswered, p.heartbeats.stall
	p.heartbeats.stall, p.heartbeats.silence = 0, 0
	switch {
	case a.GetState() == bulkheadv1.WorkerState_WORKER_STATE_STALLED:
		b = beatStalled
		p.heartbeats.stall = s.line.stalled(open, p.key, began-Stamp(a.GetStalledNano()), began+Stamp(a.GetLatencyNano()),
			s.recorded, a.GetStalledNano())
	case a.GetLate():
		b = beatLate
	}
	s.line.heard(p.key, began, s.recorded, b)
}

// asked returns the processes of a round, answers first, or why the round cannot
// be.
func (s *sessionState) asked(h *bulkheadv1.Heartbeat) ([]*processState, string) {
	var list []*processState
	seen := make(map[*processState]bool)
	see := func(named *bulkheadv1.Process) string {
		p, why := s.process(named, 0)
		if why == "" && seen[p] {
			why = badAnswer
		}
		if why != "" {
			return why
		}
		seen[p] = true
		list = append(list, p)
		return ""
	}
	for _, a := range h.GetAnswers() {
		if !saneDurations(a.GetLatencyNano(), a.GetStalledNano()) {
			return nil, badNumber
		}
		if why := see(a.GetProcess()); why != "" {
			return nil, why
		}
	}
	for _, m := range h.GetMisses() {
		if why := see(m.GetProcess()); why != "" {
			return nil, why
		}
	}
	return list, ""
}

func (t *HeartbeatTotals) countAnswer(a *bulkheadv1.HeartbeatAnswer) {
	if a.GetLate() {
		t.Late++
	} else {
		t.Answered++
	}
	if a.GetState() == bulkheadv1.WorkerState_WORKER_STATE_STALLED {
		t.Stalled++
	}
}

func (h *heartbeatState) answer(a *bulkheadv1.HeartbeatAnswer) {
	h.totals.Rounds++
	h.totals.countAnswer(a)
	h.latencySum = plus(h.latencySum, uint64(a.GetLatencyNano()))
	h.latencyMax = max(h.latencyMax, a.GetLatencyNano())
	h.maxStalled = max(h.maxStalled, a.GetStalledNano())
}

func (h *heartbeatState) miss(m *bulkheadv1.HeartbeatMiss) {
	h.totals.Rounds++
	h.totals.Missed++
	h.missed.limit = maxMissReasons
	h.missed.add(clean(m.GetReason(), maxText))
}

// sum returns the heartbeats in their final form, or nil if nobody ever asked.
func (h *heartbeatState) sum() *Heartbeats {
	if h.totals.Rounds == 0 {
		return nil
	}
	answers := h.totals.Answered + h.totals.Late
	return &Heartbeats{
		HeartbeatTotals: h.totals,
		MeanNano:        int64(h.latencySum / max(answers, 1)),
		MaxNano:         h.latencyMax,
		MaxStalledNano:  h.maxStalled,
		MissedWhy:       countsOf(&h.missed),
	}
}

// countsOf returns a tally sorted by falling count, then text, and last what did
// not fit into it.
func countsOf(t *tally[string]) []Count {
	list := make([]Count, 0, len(t.order))
	for _, text := range t.order {
		list = append(list, Count{text, t.counts[text]})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
	if t.leftOut > 0 {
		list = append(list, Count{"other reasons", t.leftOut})
	}
	return list
}
