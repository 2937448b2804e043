package fold

import (
	"cmp"
	"fmt"

	"bulkhead/internal/human"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// foldSilent notes that the client has been silent, and whether it still is.
func (s *sessionState) foldSilent(e *bulkheadv1.SessionSilent, at report.Stamp) error {
	length := durationOrNone(e.GetSilentNano())
	if n := len(s.gaps.items); s.silentNow && n > 0 && s.gaps.items[n-1].EndAt == 0 {
		g := &s.gaps.items[n-1]
		g.LengthNano = max(g.LengthNano, length)
		if !e.GetOngoing() {
			g.EndAt = at
		}
	} else if !s.silentNow {
		g := report.MessageGap{At: max(at-report.Stamp(length), s.client.OpenedAt), LengthNano: length}
		if !e.GetOngoing() {
			g.EndAt = at
		}
		s.gaps.add(g)
	}
	s.silentNow = e.GetOngoing()
	return nil
}

// foldPaused notes a pause of the supervisor that has just ended.
func (f *Folder) foldPaused(e *bulkheadv1.SupervisorPaused, at report.Stamp) {
	length := durationOrNone(e.GetPausedNano())
	f.pauses.add(report.Pause{At: max(at-report.Stamp(length), f.run.StartedAt), LengthNano: length})
}

// pausedBetween reports whether the supervisor was paused at any time between two moments.
func (f *Folder) pausedBetween(from, to report.Stamp) bool {
	for _, p := range f.pauses.items {
		if p.At < to && p.At+report.Stamp(p.LengthNano) > from {
			return true
		}
	}
	return false
}

// gapEvents returns the message gaps of client c. now is the time of the newest record.
func gapEvents(c *report.Client, now report.Stamp) []report.Event {
	list := make([]report.Event, 0, len(c.MessageGaps))
	for _, g := range c.MessageGaps {
		list = append(list, report.Event{At: g.At, EndAt: cmp.Or(g.EndAt, max(now, g.At)), Kind: report.EventSilent,
			Session: c.Session, Client: c.Label,
			Text: fmt.Sprintf("%s said nothing for %s, though its connection lived", c.Label,
				human.Duration(g.LengthNano))})
	}
	return list
}

// pauseEvents returns the pauses of the supervisor.
func pauseEvents(run *report.Run) []report.Event {
	list := make([]report.Event, 0, len(run.Pauses))
	for _, p := range run.Pauses {
		list = append(list, report.Event{At: p.At, EndAt: p.At + report.Stamp(p.LengthNano), Kind: report.EventPaused,
			Text: "the supervisor itself did not run"})
	}
	return list
}

// maxMessageGaps is the most message gaps of one client that are kept, and maxPauses the most
// pauses of the supervisor; the first ones.
const (
	maxMessageGaps = 100
	maxPauses      = 1000
)
