package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bulkhead/internal/human"
	"bulkhead/internal/table"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// detailed returns the clients that the text shows in detail, in order of arrival: of many,
// those that did not close, then those of which there is something else to say.
func detailed(r *report.Report) []*report.Client {
	list := make([]*report.Client, 0, len(r.Clients))
	for i := range r.Clients {
		list = append(list, &r.Clients[i])
	}
	if len(list) <= ShownClients {
		return list
	}
	found := make(map[uint32]bool)
	for i := range r.Findings {
		found[r.Findings[i].Session] = true
	}
	rank := func(c *report.Client) int {
		h := &c.Heartbeats
		switch {
		case c.Outcome != report.OutcomeClosed || c.CorruptBlocks+c.UnverifiedFiles > 0:
			return 0
		case c.Errors+c.Resumes+c.Malformed+h.Missed+h.Late+h.Stalled > 0 || found[c.Session]:
			return 1
		default:
			return 2
		}
	}
	slices.SortStableFunc(list, func(a, b *report.Client) int { return cmp.Compare(rank(a), rank(b)) })
	list = list[:ShownClients]
	slices.SortFunc(list, func(a, b *report.Client) int { return cmp.Compare(a.Session, b.Session) })
	return list
}

// client prints one client in detail.
func (p *Page) client(c *report.Client) {
	p.Heading("CLIENT %s", c.Label)
	p.fact("outcome", "%s%s", c.Outcome, words.Because(p.cause(c)))
	p.fact("session", "%d, %s", c.Session, human.OrDash(c.SessionID))
	if b := c.Begun; b != nil && c.BeginningMissing() {
		p.fact("begun", "in run %s, which has its messages up to %s", b.Run, human.Count(b.After))
	} else if b != nil {
		p.fact("begun", "in run %s, which has no message of it", b.Run)
	}
	p.fact("machine", "%s, pid %d, bulkhead %s", human.OrDash(c.Host), c.Pid, human.OrDash(c.Version))
	p.fact("labels", "%s", labelsLine(c))
	p.workload(&c.Workload)
	p.fact("load ended", "%s", stopLine(c))
	p.fact("written", "%s", writesLine(&c.Writes))
	p.fact("warm-up", "%s", words.WarmUp(&c.Writes))
	p.latencies(&c.Writes)
	p.fact("verified", "%s", verifiedLine(&c.Writes))
	p.fact("read beside", "%s", words.Reads(&c.Writes))
	p.fact("messages", "%s", clientMessagesLine(c))
	p.fact("clock", "%s", clockLine(c))
	switch {
	case c.Continues != 0 && c.ContinuesGapless:
		p.fact("delivered", "later by resend, after the client's own end; it continues where session %d ends",
			c.Continues)
	case c.Continues != 0:
		p.fact("delivered",
			"later by resend, after the client's own end; messages are missing between session %d and this one",
			c.Continues)
	case c.Resent:
		p.fact("delivered", "later by resend, after the client's own end")
	}
	if c.Outcome != report.OutcomeClosed {
		p.fact("rest", "%s", words.Rest(p.rests[c.Session]))
	}

	shown := shownOf(c)
	p.connections(c)
	p.processes(c, shown)
	p.writes(shown)
	p.reads(shown)
	p.rollovers(c, shown)
	p.heartbeats(c, shown)
	p.silences(c)
	p.usage(shown)
	p.machine(c)
}

// workload prints what the client was going to do, and what its consumers write.
func (p *Page) workload(w *report.Workload) {
	p.fact("workload", "%s", words.Workload(w))
	lines := words.ConsumerLines(w)
	for _, c := range lines[:min(len(lines), shownProcesses)] {
		name := "consumer"
		if strings.ContainsAny(c.Who, "…,") {
			name = "consumers"
		}
		p.fact(name, "%s: %s", c.Who, c.What)
	}
	p.elsewhere(len(lines)-shownProcesses, "kinds of consumers")
}

func labelsLine(c *report.Client) string {
	parts := make([]string, 0, len(c.Labels))
	if c.LabelsLeftOut > 0 {
		parts = append(parts, words.Plural(c.LabelsLeftOut, "label")+" left out")
	}
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		parts = append(parts, key+"="+c.Labels[key])
	}
	return human.Shorten(strings.Join(parts, ", "), PageWidth-15)
}

// sizes returns a size, or a range of sizes.
func sizes(low, high uint64) string {
	if low == high {
		return human.Size(low)
	}
	return human.Size(low) + "…" + human.Size(high)
}

func stopLine(c *report.Client) string {
	if c.StopReason == "" {
		return "no Stop message; the last message came after " + human.Duration(c.RuntimeNano)
	}
	why := stopWords(c.StopReason)
	if c.Stages > 0 && c.Stage == c.Stages && c.Load == report.LoadWhole {
		why = "all stages were over"
	}
	return fmt.Sprintf("%s, after %s%s", why, human.Duration(c.RuntimeNano),
		words.Because(c.StopDetail))
}

// stopWords returns a reason as the text says it.
func stopWords(reason string) string {
	switch reason {
	case report.StopSteady:
		return "the throughput was steady"
	case report.StopTotal:
		return "all bytes were written"
	default:
		return reason
	}
}

func clientMessagesLine(c *report.Client) string {
	text := fmt.Sprintf("%s in %s", human.Count(c.Messages), words.Plural(c.Batches, "batch"))
	if c.Malformed > 0 {
		text += fmt.Sprintf("; %s left out as malformed", human.Count(c.Malformed))
	}
	if c.UnknownFacts > 0 {
		text += fmt.Sprintf("; %s not known to this version", human.Count(c.UnknownFacts))
	}
	return text
}

func clockLine(c *report.Client) string {
	off := c.ClockOffsetNano
	if max(off, -off) < int64(time.Millisecond) {
		return "" // no more than the way through the network
	}
	where := "ahead of"
	if off < 0 {
		off, where = -off, "behind"
	}
	return fmt.Sprintf("%s %s the supervisor's, as the client arrived", human.Duration(off), where)
}

// connections prints how connections joined and left the session, one event a
// line.
func (p *Page) connections(c *report.Client) {
	events := connectionEvents(c)
	if len(events) == 0 {
		return
	}
	p.Line("")
	p.Line("%sconnections (supervisor's clock, from the start of the run)", Indent)
	p.elsewhere(len(events)-shownConnections, "events before these")
	t := table.New("at", ">after", "event")
	for _, e := range events[max(len(events)-shownConnections, 0):] {
		t.Row(words.TimeOfDay(p.Run.StartedAt, e.at), words.Offset(p.Run.StartedAt, e.at), e.text)
	}
	t.Write(&p.Out, Indent+Indent, PageWidth)
}

// event is something that happened to a session.
type event struct {
	at   report.Stamp
	text string
}

func connectionEvents(c *report.Client) []event {
	var events []event
	for i := range c.Connections {
		n := &c.Connections[i]
		text := fmt.Sprintf("connected from %s to handler %d", human.OrDash(n.Peer), n.HandlerPid)
		if n.Resumed {
			text = fmt.Sprintf("resumed after message %s from %s on handler %d", human.Count(n.ResumeAfter),
				human.OrDash(n.Peer), n.HandlerPid)
			if n.LastEnd != "" {
				text += "; it had seen: " + n.LastEnd
			}
		}
		events = append(events, event{n.AttachedAt, text})
		if n.KeptThroughRestarts > 0 {
			events = append(events, event{n.LastKeptAt,
				"the same connection continues" + throughRestarts(n.KeptThroughRestarts)})
		}
		if n.DetachedAt != 0 {
			events = append(events, event{n.AwayFrom(), "away" + awayText(n) + words.Because(n.DetachCause)})
		}
	}
	if c.EndedAt != 0 {
		events = append(events, event{c.EndedAt, fmt.Sprintf("%s after message %s", c.Outcome, human.Count(c.LastSeq))})
	}
	return events
}

// throughRestarts returns how many restarts of the supervisor a connection outlived.
func throughRestarts(n uint64) string {
	if n == 1 {
		return " after a restart or upgrade of the supervisor"
	}
	return fmt.Sprintf(" after %s restarts and upgrades of the supervisor", human.Count(n))
}

// awayText returns in brackets why the client was away after a connection, if that is
// known and the cause does not begin with it.
func awayText(n *report.Connection) string {
	words := words.Away(n.AwayWhy)
	switch {
	case words == "", strings.HasPrefix(n.DetachCause, words+" "):
		return ""
	case n.AwayWhy == report.AwayStarved && n.AwayStarvedNano > 0:
		words += " for " + human.Duration(n.AwayStarvedNano)
	}
	return " (" + words + ")"
}
