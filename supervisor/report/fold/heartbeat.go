package fold

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bulkhead/internal/plaintext"
	"bulkhead/internal/protocol"
	"bulkhead/internal/tally"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// heartbeatState is what the fold keeps of one process's heartbeats.
type heartbeatState struct {
	totals     report.HeartbeatTotals
	latencySum uint64 // ns, of all answers
	latencyMax int64  // ns
	maxStalled int64
	missed     tally.Tally[string]
	stall      int // names its present stall; 0 for none
	silence    int // names its present row of missed rounds; 0 for none
}

// foldHeartbeat folds one round. Each process counts once in a round, and each
// round once for a client.
func (s *sessionState) foldHeartbeat(h *bulkheadv1.Heartbeat, at report.Stamp) report.Bad {
	if len(h.GetAnswers())+len(h.GetMisses()) > report.MaxProcesses {
		return report.BadCrowd
	}
	if h.GetRound() <= s.round {
		return report.BadRound
	}
	if !saneDurations(h.GetTimeoutNano()) {
		return report.BadNumber
	}
	if t := h.GetStartedUnixNano(); t != 0 && !saneTime(t) {
		return report.BadTime
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
		countAnswer(&s.client.Heartbeats, a)
		s.heard(p, a, began)
	}
	for i, m := range h.GetMisses() {
		p := asked[len(h.GetAnswers())+i]
		p.heartbeats.miss(m)
		p.heartbeats.stall = 0
		if gone(m, s.minor) {
			p.heartbeats.silence = 0
		} else {
			p.heartbeats.silence = s.line.silent(p.heartbeats.silence, p.key, began, at, s.recorded, m.GetReason())
		}
		s.line.heard(p.key, began, s.recorded, beatMissed)
		s.client.Heartbeats.Missed++
	}
	return ""
}

// heard puts an answer to the round that began at a moment on the axis of time.
func (s *sessionState) heard(p *processState, a *bulkheadv1.HeartbeatAnswer, began report.Stamp) {
	b, open := beatAnswered, p.heartbeats.stall
	p.heartbeats.stall, p.heartbeats.silence = 0, 0
	switch {
	case a.GetState() == bulkheadv1.WorkerState_WORKER_STATE_STALLED:
		b = beatStalled
		p.heartbeats.stall = s.line.stalled(open, p.key, began-report.Stamp(a.GetStalledNano()),
			began+report.Stamp(a.GetLatencyNano()),
			s.recorded, a.GetStalledNano())
	case a.GetLate():
		b = beatLate
	}
	s.line.heard(p.key, began, s.recorded, b)
}

// asked returns the processes of a round, answers first, or why the round cannot
// be.
func (s *sessionState) asked(h *bulkheadv1.Heartbeat) ([]*processState, report.Bad) {
	var list []*processState
	seen := make(map[*processState]bool)
	see := func(named *bulkheadv1.Process) report.Bad {
		p, why := s.process(named, 0)
		if why == "" && seen[p] {
			why = report.BadAnswer
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
			return nil, report.BadNumber
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

func countAnswer(t *report.HeartbeatTotals, a *bulkheadv1.HeartbeatAnswer) {
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
	countAnswer(&h.totals, a)
	h.latencySum = report.Plus(h.latencySum, uint64(a.GetLatencyNano()))
	h.latencyMax = max(h.latencyMax, a.GetLatencyNano())
	h.maxStalled = max(h.maxStalled, a.GetStalledNano())
}

func (h *heartbeatState) miss(m *bulkheadv1.HeartbeatMiss) {
	h.totals.Rounds++
	h.totals.Missed++
	h.missed.Limit = report.MaxMissReasons
	h.missed.Add(plaintext.Line(m.GetReason(), plaintext.MaxText))
}

// sum returns the heartbeats in their final form, or nil if there was no round.
func (h *heartbeatState) sum() *report.Heartbeats {
	if h.totals.Rounds == 0 {
		return nil
	}
	answers := h.totals.Answered + h.totals.Late
	return &report.Heartbeats{
		HeartbeatTotals: h.totals,
		MeanNano:        int64(h.latencySum / max(answers, 1)),
		MaxNano:         h.latencyMax,
		MaxStalledNano:  h.maxStalled,
		MissedWhy:       countsOf(&h.missed),
	}
}

// leftOutOf returns why messages were left out, as countsOf does.
func leftOutOf(t *tally.Tally[report.Bad]) []report.Count {
	list := make([]report.Count, 0, len(t.Order))
	for _, why := range t.Order {
		list = append(list, report.Count{Text: words.LeftOut(why), Reason: why, Count: t.Counts[why]})
	}
	sortCounts(list)
	if t.LeftOut > 0 {
		list = append(list, report.Count{Text: words.LeftOut(report.BadOther), Reason: report.BadOther,
			Count: t.LeftOut})
	}
	return list
}

// countsOf returns a tally sorted by falling count, then text, and last what did
// not fit into it.
func countsOf(t *tally.Tally[string]) []report.Count {
	list := make([]report.Count, 0, len(t.Order))
	for _, text := range t.Order {
		list = append(list, report.Count{Text: text, Count: t.Counts[text]})
	}
	sortCounts(list)
	if t.LeftOut > 0 {
		list = append(list, report.Count{Text: "other reasons", Count: t.LeftOut})
	}
	return list
}

func sortCounts(list []report.Count) {
	slices.SortFunc(list, func(a, b report.Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
}

// MaxSilences is the most silences of one client that are kept.
const MaxSilences = 200

// goneReason begins why a process did not answer because it had ended, in the words of clients
// of before HeartbeatMiss.gone.
const goneReason = "process is gone"

// gone reports whether a process did not answer because it had ended, which is told elsewhere.
// minor is how far the client's protocol has grown.
func gone(m *bulkheadv1.HeartbeatMiss, minor uint32) bool {
	if minor >= protocol.MinorGone {
		return m.GetGone()
	}
	return strings.HasPrefix(m.GetReason(), goneReason)
}

// silence is a row of rounds, one after the other, that a living process did not answer.
type silence struct {
	key      processKey
	from, to report.Stamp // begin of the first round, and when it was known that the last got no answer
	rounds   uint64
	reason   string // of the first
}

// silent adds a missed round to the silence that open names, or a new one if it names none,
// and returns its name.
func (c *clientLine) silent(open int, key processKey, from, to, recorded report.Stamp, reason string) int {
	from, to, ok := c.place(from, max(from, to), c.offset, recorded)
	switch {
	case !ok:
		return open
	case open > 0:
		s := &c.silences[open-1]
		s.from, s.to, s.rounds = min(s.from, from), max(s.to, to), s.rounds+1
		return open
	case len(c.silences) == MaxSilences:
		c.leftOut++
		return 0
	}
	c.silences = append(c.silences, silence{key, max(from, c.start), to, 1, plaintext.Line(reason, plaintext.MaxName)})
	return len(c.silences)
}

// silenceEvents returns the silences of a client, c.
func (l *clientLine) silenceEvents(c *report.Client) []report.Event {
	list := make([]report.Event, 0, len(l.silences))
	for _, s := range l.silences {
		list = append(list, report.Event{At: s.from, EndAt: s.to, Kind: report.EventMissed, Session: c.Session,
			Client: c.Label,
			Text: fmt.Sprintf("%s: %s missed %s%s", c.Label, s.key, words.Plural(s.rounds, "heartbeat"),
				words.Because(s.reason))})
	}
	return list
}
