package report

import (
	"cmp"
	"fmt"
	"slices"
)

// events returns what happened, ordered by time, and how many events it left out. Those
// that matter least are left out first.
func (f *Folder) events(r *Report) ([]Event, uint64) {
	list := runEvents(r)
	if f.drainAt != 0 {
		list = append(list, Event{At: f.drainAt, Kind: EventDrain, Text: "drain" + because(f.drainWhy)})
	}
	leftOut := r.Run.RestartsLeftOut + r.HandlersLeftOut + r.RejectionsLeftOut
	for i := range r.Clients {
		c := &r.Clients[i]
		list = append(list, sessionEvents(c, f.last)...)
		list = append(list, gapEvents(c, f.last)...)
		for _, s := range f.time.lines[i].stalls {
			list = append(list, Event{At: s.from, EndAt: s.to, Kind: EventStall, Session: c.Session, Client: c.Label,
				Text: fmt.Sprintf("%s: %s stuck in a system call, for up to %s", c.Label, s.key, human(s.longest))})
		}
		list = append(list, f.time.lines[i].silenceEvents(c)...)
		list = append(list, f.order[i].corruptionEvents(c)...)
		leftOut += f.time.lines[i].leftOut + c.ConnectionsLeftOut
	}
	if more := len(list) - MaxEvents; more > 0 {
		slices.SortStableFunc(list, func(a, b Event) int {
			return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), cmp.Compare(a.At, b.At))
		})
		list, leftOut = list[:MaxEvents], leftOut+uint64(more)
	}
	for i := range list {
		list[i].Text = oneLine(list[i].Text)
	}
	slices.SortStableFunc(list, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Session, b.Session))
	})
	return list, leftOut
}

// rank is how soon events of a kind are left out: the higher, the sooner.
func rank(kind string) int {
	switch kind {
	case EventRestart, EventUpgrade, EventDrain, EventCorruption, EventPaused:
		return 0
	case EventLost, EventQuarantined:
		return 1
	case EventHandlerDeath, EventAway, EventSilent:
		return 2
	case EventStall, EventMissed:
		return 3
	default:
		return 4
	}
}

// runEvents returns what happened to the supervisor and its handlers.
func runEvents(r *Report) []Event {
	list := []Event{}
	for i := range r.Run.Restarts {
		restart := &r.Run.Restarts[i]
		e := Event{At: restart.At, Kind: EventRestart, Text: "the supervisor was restarted; " + restart.handlers()}
		if restart.Kind == RestartUpgraded {
			e.Kind, e.Text = EventUpgrade, "the supervisor was upgraded to "+orDash(restart.Version)+"; "+restart.handlers()
		}
		list = append(list, e)
	}
	list = append(list, pauseEvents(&r.Run)...)
	for i := range r.Run.Shed {
		s := &r.Run.Shed[i]
		list = append(list, Event{At: s.FirstAt, EndAt: s.LastAt, Kind: EventShed,
			Text: were(s.Count, "connection") + " shed" + because(s.Reason)})
	}
	for i := range r.Handlers {
		h := &r.Handlers[i]
		if h.Exit == nil || h.Exit.Class == ExitClean {
			continue
		}
		list = append(list, Event{At: h.Exit.EndedAt, Kind: EventHandlerDeath, Session: h.Session, Client: h.Client,
			Text: fmt.Sprintf("handler %d (%s)%s", h.Pid, handlerClient(h), deed(h.Exit))})
	}
	for i := range r.Rejections {
		j := &r.Rejections[i]
		list = append(list, Event{At: j.At, Kind: EventRejected, Client: j.ClientName,
			Text: cmp.Or(j.ClientName, "a connection") + " was rejected" + because(j.Reason)})
	}
	return list
}

// sessionEvents returns what happened to a client's connections. now is the time of the
// newest record.
func sessionEvents(c *Client, now Stamp) []Event {
	var list []Event
	add := func(kind string, at, end Stamp, text string) {
		list = append(list, Event{At: at, EndAt: end, Kind: kind, Session: c.Session, Client: c.Label, Text: c.Label + " " + text})
	}
	for i := range c.Connections {
		n := &c.Connections[i]
		if n.Resumed {
			add(EventResume, n.AttachedAt, 0, fmt.Sprintf("resumed after message %d on handler %d", n.ResumeAfter, n.HandlerPid))
		}
		if n.DetachedAt == 0 || n.AwayNano == 0 && c.EndedAt != 0 {
			continue
		}
		end := n.awayFrom() + Stamp(n.AwayNano)
		if n.AwayNano == 0 {
			end = max(now, n.DetachedAt)
		}
		words := awayWords(n.AwayWhy)
		if words != "" {
			words = " (" + words + ")"
		}
		add(EventAway, n.awayFrom(), end, "away"+words+because(n.DetachCause))
	}
	switch c.Outcome {
	case OutcomeLost:
		add(EventLost, c.EndedAt, 0, "lost"+because(endCause(c)))
	case OutcomeQuarantined:
		add(EventQuarantined, c.EndedAt, 0, "quarantined"+because(endCause(c)))
	case OutcomeRejected:
		add(EventRejected, c.EndedAt, 0, "rejected"+because(endCause(c)))
	}
	return list
}
