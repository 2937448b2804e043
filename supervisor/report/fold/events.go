package fold

import (
	"cmp"
	"fmt"
	"slices"

	"bulkhead/internal/human"
	"bulkhead/internal/plaintext"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// events returns what happened, ordered by time, and how many events it left out. Those
// that matter least are left out first.
func (f *Folder) events(r *report.Report) ([]report.Event, uint64) {
	list := runEvents(r)
	if f.drainAt != 0 {
		list = append(list, report.Event{At: f.drainAt, Kind: report.EventDrain,
			Text: "drain" + words.Because(f.drainWhy)})
	}
	leftOut := r.Run.RestartsLeftOut + r.HandlersLeftOut + r.RejectionsLeftOut
	for i := range r.Clients {
		c := &r.Clients[i]
		list = append(list, sessionEvents(c, f.last)...)
		list = append(list, gapEvents(c, f.last)...)
		for _, s := range f.time.lines[i].stalls {
			list = append(list, report.Event{At: s.from, EndAt: s.to, Kind: report.EventStall, Session: c.Session,
				Client: c.Label,
				Text: fmt.Sprintf("%s: %s stuck in a system call, for up to %s", c.Label, s.key,
					human.Duration(s.longest))})
		}
		list = append(list, f.time.lines[i].silenceEvents(c)...)
		list = append(list, f.order[i].corruptionEvents(c)...)
		leftOut += f.time.lines[i].leftOut + c.ConnectionsLeftOut
	}
	if more := len(list) - report.MaxEvents; more > 0 {
		slices.SortStableFunc(list, func(a, b report.Event) int {
			return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), cmp.Compare(a.At, b.At))
		})
		list, leftOut = list[:report.MaxEvents], leftOut+uint64(more)
	}
	for i := range list {
		list[i].Text = plaintext.OneLine(list[i].Text)
	}
	slices.SortStableFunc(list, func(a, b report.Event) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Session, b.Session))
	})
	return list, leftOut
}

// rank returns how soon events of a kind are left out: the higher, the sooner.
func rank(kind string) int {
	switch kind {
	case report.EventRestart, report.EventUpgrade, report.EventDrain, report.EventCorruption, report.EventPaused,
		report.EventJoined, report.EventLeft, report.EventUnavailable:
		return 0
	case report.EventLost, report.EventQuarantined:
		return 1
	case report.EventHandlerDeath, report.EventAway, report.EventSilent, report.EventMoved:
		return 2
	case report.EventStall, report.EventMissed, report.EventDivided:
		return 3
	default:
		return 4
	}
}

// runEvents returns what happened to the supervisor and its handlers.
func runEvents(r *report.Report) []report.Event {
	list := []report.Event{}
	for i := range r.Run.Restarts {
		restart := &r.Run.Restarts[i]
		e := report.Event{At: restart.At, Kind: report.EventRestart,
			Text: "the supervisor was restarted; " + words.Adopted(restart)}
		if restart.Kind == report.RestartUpgraded {
			e.Kind, e.Text = report.EventUpgrade, "the supervisor was upgraded to "+human.OrDash(restart.Version)+"; "+
				words.Adopted(restart)
		}
		list = append(list, e)
	}
	list = append(list, pauseEvents(&r.Run)...)
	list = append(list, sharedEvents(&r.Run)...)
	for i := range r.Run.Shed {
		s := &r.Run.Shed[i]
		list = append(list, report.Event{At: s.FirstAt, EndAt: s.LastAt, Kind: report.EventShed,
			Text: words.Were(s.Count, "connection") + " shed" + words.Because(s.Reason)})
	}
	for i := range r.Handlers {
		h := &r.Handlers[i]
		if h.Exit == nil || h.Exit.Class == report.ExitClean {
			continue
		}
		list = append(list, report.Event{At: h.Exit.EndedAt, Kind: report.EventHandlerDeath, Session: h.Session,
			Client: h.Client,
			Text:   fmt.Sprintf("handler %d (%s)%s", h.Pid, words.HandlerClient(h), words.Deed(h.Exit))})
	}
	for i := range r.Rejections {
		j := &r.Rejections[i]
		list = append(list, report.Event{At: j.At, Kind: report.EventRejected, Client: j.ClientName,
			Text: cmp.Or(j.ClientName, "a connection") + " was rejected" + words.Because(j.Reason)})
	}
	if rate := r.Run.FleetRate; rate != nil {
		for i := range rate.Divisions {
			list = append(list, report.Event{At: rate.Divisions[i].At, Kind: report.EventDivided,
				Text: words.Division(&rate.Divisions[i])})
		}
	}
	return list
}

// sessionEvents returns what happened to a client's connections. now is the time of the
// newest record.
func sessionEvents(c *report.Client, now report.Stamp) []report.Event {
	var list []report.Event
	add := func(kind string, at, end report.Stamp, text string) {
		list = append(list, report.Event{At: at, EndAt: end, Kind: kind, Session: c.Session, Client: c.Label,
			Text: c.Label + " " + text})
	}
	for i := range c.Connections {
		n := &c.Connections[i]
		if i > 0 && n.Supervisor != c.Connections[i-1].Supervisor {
			add(report.EventMoved, n.AttachedAt, 0, fmt.Sprintf("goes on at supervisor %d, after supervisor %d",
				n.Supervisor, c.Connections[i-1].Supervisor))
		}
		if n.Resumed {
			add(report.EventResume, n.AttachedAt, 0,
				fmt.Sprintf("resumed after message %d on handler %d", n.ResumeAfter, n.HandlerPid))
		}
		if n.DetachedAt == 0 || n.AwayNano == 0 && c.EndedAt != 0 {
			continue
		}
		end := n.AwayFrom() + report.Stamp(n.AwayNano)
		if n.AwayNano == 0 {
			end = max(now, n.DetachedAt)
		}
		why := words.Away(n.AwayWhy)
		if why != "" {
			why = " (" + why + ")"
		}
		add(report.EventAway, n.AwayFrom(), end, "away"+why+words.Because(n.DetachCause))
	}
	if c.DrainedAt != 0 {
		add(report.EventDrain, c.DrainedAt, 0, "drained alone"+words.Because(c.DrainReason))
	}
	switch c.Outcome {
	case report.OutcomeLost:
		add(report.EventLost, c.EndedAt, 0, "lost"+words.Because(words.EndCause(c)))
	case report.OutcomeQuarantined:
		add(report.EventQuarantined, c.EndedAt, 0, "quarantined"+words.Because(words.EndCause(c)))
	case report.OutcomeRejected:
		add(report.EventRejected, c.EndedAt, 0, "rejected"+words.Because(words.EndCause(c)))
	}
	return list
}
