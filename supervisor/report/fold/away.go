package fold

import (
	"cmp"
	"fmt"

	"bulkhead/internal/human"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// absence is what is known of the time after a session lost a connection.
type absence struct {
	// class is what the supervisor's side saw of the connection's end.
	class bulkheadv1.DetachClass
	// returned says that the client came back; said is then what it said of why it
	// had been away.
	returned bool
	said     bulkheadv1.Absence
	// handlerEnd is the class of the end of the connection's handler; "" if it is not
	// known.
	handlerEnd string
	// paused says that the supervisor was not running in the time in which it lost the
	// client.
	paused bool
	// lost says that the session ended as lost, without the client coming back.
	lost bool
}

// whyAway returns why the client was away: one of the Away… constants. The supervisor's
// side knows best what it did itself; a client knows best whether it was running; and a
// client that never says anything again leaves what was seen of its connection.
func whyAway(a absence) string {
	switch a.class {
	case bulkheadv1.DetachClass_DETACH_CLASS_HANDLER:
		return report.AwayHandler
	case bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR:
		return report.AwaySupervisor
	case bulkheadv1.DetachClass_DETACH_CLASS_BREACH:
		return report.AwayBreach
	case bulkheadv1.DetachClass_DETACH_CLASS_LIMIT:
		return report.AwayLimit
	case bulkheadv1.DetachClass_DETACH_CLASS_TRANSPORT:
		return report.AwayTransport
	case bulkheadv1.DetachClass_DETACH_CLASS_STREAM_ENDED:
		if !a.returned || a.said == bulkheadv1.Absence_ABSENCE_UNSPECIFIED ||
			a.said == bulkheadv1.Absence_ABSENCE_SENT_AWAY {
			return report.AwayEnded // a client that says more, such as that it was starved, knows better
		}
	}
	if handlerFault(a) {
		return report.AwayHandler
	}
	if a.paused && a.said != bulkheadv1.Absence_ABSENCE_STARVED && a.returned {
		return report.AwaySupervisor // it heard nobody, and nobody heard it
	}
	closedByClient := a.class == bulkheadv1.DetachClass_DETACH_CLASS_CLOSED_BY_CLIENT
	if !a.returned {
		if closedByClient && a.lost {
			return report.AwayDied
		}
		return report.AwayUnknown
	}
	switch a.said {
	case bulkheadv1.Absence_ABSENCE_STARVED:
		return report.AwayStarved
	case bulkheadv1.Absence_ABSENCE_NETWORK:
		return report.AwayNetwork
	case bulkheadv1.Absence_ABSENCE_SENT_AWAY:
		if a.class == bulkheadv1.DetachClass_DETACH_CLASS_SILENT {
			// It was running and heard this side, which heard nothing of it.
			return report.AwayNetwork
		}
		return report.AwaySupervisor
	}
	return report.AwayUnknown
}

// handlerFault reports whether a connection ended by its handler's fault although the
// client was the first to notice: it came again by itself before the supervisor had
// found out.
func handlerFault(a absence) bool {
	switch a.class {
	case bulkheadv1.DetachClass_DETACH_CLASS_REPLACED, bulkheadv1.DetachClass_DETACH_CLASS_UNSPECIFIED:
	default:
		return false
	}
	switch a.handlerEnd {
	case report.ExitHang, report.ExitCrash, report.ExitOOM, report.ExitSandbox, report.ExitProtocol:
		return true
	default:
		return false
	}
}

func detachClass(c bulkheadv1.DetachClass) string {
	switch c {
	case bulkheadv1.DetachClass_DETACH_CLASS_CLOSED_BY_CLIENT:
		return report.DetachClosedByClient
	case bulkheadv1.DetachClass_DETACH_CLASS_SILENT:
		return report.DetachSilent
	case bulkheadv1.DetachClass_DETACH_CLASS_HANDLER:
		return report.DetachHandler
	case bulkheadv1.DetachClass_DETACH_CLASS_BREACH:
		return report.DetachBreach
	case bulkheadv1.DetachClass_DETACH_CLASS_REPLACED:
		return report.DetachReplaced
	case bulkheadv1.DetachClass_DETACH_CLASS_SUPERVISOR:
		return report.DetachSupervisor
	case bulkheadv1.DetachClass_DETACH_CLASS_TRANSPORT:
		return report.DetachTransport
	case bulkheadv1.DetachClass_DETACH_CLASS_STREAM_ENDED:
		return report.DetachStreamEnded
	case bulkheadv1.DetachClass_DETACH_CLASS_LIMIT:
		return report.DetachLimit
	default:
		return ""
	}
}

func absenceOf(a bulkheadv1.Absence) string {
	switch a {
	case bulkheadv1.Absence_ABSENCE_NETWORK:
		return "network"
	case bulkheadv1.Absence_ABSENCE_STARVED:
		return "starved"
	case bulkheadv1.Absence_ABSENCE_SENT_AWAY:
		return "sent_away"
	default:
		return ""
	}
}

// link is a connection as the fold keeps it: with what its judgement needs.
type link struct {
	report.Connection
	class bulkheadv1.DetachClass
	said  bulkheadv1.Absence // as the client made the connection, of the time before
	end   string             // class of its handler's end; "" before
	epoch uint64             // restarts of the supervisor when it was last attached
}

// pauseShadow is how long after a pause of the supervisor connections end that broke in it.
const pauseShadow = report.Stamp(10e9)

// judged returns the connections of a session, oldest first, each with why the client
// was away after it.
// paused reports whether the supervisor was paused between two moments.
func judged(links []link, c *report.Client, paused func(from, to report.Stamp) bool) []report.Connection {
	list := make([]report.Connection, len(links))
	for i := range links {
		list[i] = links[i].Connection
		n := &list[i]
		if n.DetachedAt == 0 {
			continue
		}
		a := absence{class: links[i].class, handlerEnd: links[i].end, lost: c.Outcome == report.OutcomeLost,
			paused: paused(n.AwayFrom()-pauseShadow, n.DetachedAt)}
		until := c.EndedAt
		if i+1 < len(links) {
			a.returned, a.said = true, links[i+1].said
			until = links[i+1].AttachedAt
		}
		n.AwayWhy, n.AwayNano = whyAway(a), report.Between(n.AwayFrom(), until)
		if n.AwayWhy == report.AwayStarved {
			n.AwayStarvedNano = links[i+1].StarvedNano
		}
	}
	return list
}

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
