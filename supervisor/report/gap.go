package report

import (
	"cmp"
	"fmt"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// maxMessageGaps is the most message gaps of one client that are kept, and maxPauses the most
// pauses of the supervisor; the first ones.
const (
	maxMessageGaps = 100
	maxPauses      = 1000
)

// MessageGap is a time in which a client said nothing though its connection lived and it had
// declared heartbeats. Its times are the supervisor's.
type MessageGap struct {
	At Stamp `json:"at"`
	// EndAt is when the client spoke again or was let go of; null if the journal ends before.
	EndAt Stamp `json:"end_at"`
	// LengthNano is how long it was silent, in time in which the supervisor ran and had taken
	// in what it was sent: not more than from At to EndAt.
	LengthNano int64 `json:"length_nano"`
}

// Pause is a time in which the supervisor's process was not running.
type Pause struct {
	At         Stamp `json:"at"`
	LengthNano int64 `json:"length_nano"`
}

// foldSilent notes that the client has been silent, and whether it still is.
func (s *sessionState) foldSilent(e *bulkheadv1.SessionSilent, at Stamp) error {
	length := durationOrNone(e.GetSilentNano())
	if n := len(s.gaps.items); s.silentNow && n > 0 && s.gaps.items[n-1].EndAt == 0 {
		g := &s.gaps.items[n-1]
		g.LengthNano = max(g.LengthNano, length)
		if !e.GetOngoing() {
			g.EndAt = at
		}
	} else if !s.silentNow {
		g := MessageGap{At: max(at-Stamp(length), s.client.OpenedAt), LengthNano: length}
		if !e.GetOngoing() {
			g.EndAt = at
		}
		s.gaps.add(g)
	}
	s.silentNow = e.GetOngoing()
	return nil
}

// foldPaused notes a pause of the supervisor that has just ended.
func (f *Folder) foldPaused(e *bulkheadv1.SupervisorPaused, at Stamp) {
	length := durationOrNone(e.GetPausedNano())
	f.pauses.add(Pause{At: max(at-Stamp(length), f.run.StartedAt), LengthNano: length})
}

// pausedBetween says whether the supervisor was paused at any time between two moments.
func (f *Folder) pausedBetween(from, to Stamp) bool {
	for _, p := range f.pauses.items {
		if p.At < to && p.At+Stamp(p.LengthNano) > from {
			return true
		}
	}
	return false
}

// silentClients finds clients that said nothing though their connections lived, the one that
// was silent for the longest time first.
func silentClients(r *Report) []Finding {
	var list []Finding
	for _, c := range byFalling(r.Clients, longestGap) {
		if len(c.MessageGaps) == 0 {
			continue
		}
		texts := make([]string, 0, len(c.MessageGaps))
		for _, g := range c.MessageGaps {
			until := ""
			if g.EndAt == 0 {
				until = " and was silent still"
			}
			texts = append(texts, fmt.Sprintf("for %s from %s on%s", human(g.LengthNano), timeOfDay(r.Run.StartedAt, g.At), until))
		}
		f := about(c, FindingSilent)
		f.Text = fmt.Sprintf("client %s said nothing %s, though its connection lived", c.Label, andMore(texts))
		f.Evidence = fmt.Sprintf("it had declared heartbeats every %s, and its transport answered; what it was doing meanwhile nobody knows",
			human(c.Workload.HeartbeatIntervalNano))
		if n := c.MessageGapsLeftOut; n > 0 {
			f.Evidence += "; " + plural(n, "more silence")
		}
		f.Threshold = "4 heartbeat intervals, and at least 12s"
		list = append(list, f)
	}
	return list
}

// longestGap is the longest message gap of a client, in nanoseconds.
func longestGap(c *Client) int64 {
	var longest int64
	for _, g := range c.MessageGaps {
		longest = max(longest, g.LengthNano)
	}
	return longest
}

// supervisorPaused finds that the supervisor itself was not running.
func supervisorPaused(r *Report) []Finding {
	if len(r.Run.Pauses) == 0 {
		return nil
	}
	texts := make([]string, len(r.Run.Pauses))
	for i, p := range r.Run.Pauses {
		texts[i] = fmt.Sprintf("for %s from %s on", human(p.LengthNano), timeOfDay(r.Run.StartedAt, p.At))
	}
	f := Finding{Kind: FindingPaused, Text: "the supervisor itself did not run " + andMore(texts) + "; no client is blamed for that time"}
	f.Evidence = "its own clock: it was stopped, suspended with its machine, or without processor time"
	if n := r.Run.PausesLeftOut; n > 0 {
		f.Evidence += "; " + plural(n, "more pause")
	}
	f.Threshold = "3s"
	return []Finding{f}
}

// gapEvents returns the message gaps of client c. now is the time of the newest record.
func gapEvents(c *Client, now Stamp) []Event {
	list := make([]Event, 0, len(c.MessageGaps))
	for _, g := range c.MessageGaps {
		list = append(list, Event{At: g.At, EndAt: cmp.Or(g.EndAt, max(now, g.At)), Kind: EventSilent, Session: c.Session, Client: c.Label,
			Text: fmt.Sprintf("%s said nothing for %s, though its connection lived", c.Label, human(g.LengthNano))})
	}
	return list
}

// pauseEvents returns the pauses of the supervisor.
func pauseEvents(run *Run) []Event {
	list := make([]Event, 0, len(run.Pauses))
	for _, p := range run.Pauses {
		list = append(list, Event{At: p.At, EndAt: p.At + Stamp(p.LengthNano), Kind: EventPaused, Text: "the supervisor itself did not run"})
	}
	return list
}
