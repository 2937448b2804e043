package report

import (
	"fmt"
	"strings"

	"bulkhead/supervisor/attendance"
)

// What a client counts as among those that are expected (Client.Standing).
const (
	// StandingCounts is the first client of an expected name.
	StandingCounts = "counts"
	// StandingAgain is a client of a name that came before: a name counts once.
	StandingAgain = "again"
	// StandingUnexpected is a client whose name is not awaited, where names are.
	StandingUnexpected = "unexpected"
)

// standingOf is the name of a standing.
func standingOf(s attendance.Standing) string {
	switch s {
	case attendance.Again:
		return StandingAgain
	case attendance.Unexpected:
		return StandingUnexpected
	default:
		return StandingCounts
	}
}

// namesOf are names that a record holds, fit to be printed.
func namesOf(list []string) []string {
	names := make([]string, 0, min(len(list), maxNames))
	for _, name := range list[:min(len(list), maxNames)] {
		names = append(names, clean(name, maxName))
	}
	return names
}

// attend counts the clients of a report that is finished but for them: ids are those of
// clients, by session, that were there or of which something was delivered.
func (r *Report) attend(ids map[uint32]string) {
	register := attendance.New(int(r.Run.ExpectedClients), r.Run.ExpectedNames)
	known := make(map[string]bool, len(ids))
	for i := range r.Clients {
		c := &r.Clients[i]
		if id, ok := ids[c.Session]; ok && !known[id] {
			known[id] = true
			c.Standing = standingOf(register.Come(c.Name))
		}
	}
	r.Run.JoinedClients = uint32(register.Joined())
	r.Run.ExpectedNames = append([]string{}, r.Run.ExpectedNames...)
	r.Run.AbsentNames = append([]string{}, register.Absent()...)
}

// judgeAttendance says who of those that are expected did not come, and who came instead.
func (v *Verdict) judgeAttendance(r *Report) {
	run := &r.Run
	if run.JoinedClients >= run.ExpectedClients {
		return
	}
	never, came := "never came", "came"
	if v.Running {
		never, came = "did not come so far", "came so far"
	}
	missing := run.ExpectedClients - run.JoinedClients
	short := fmt.Sprintf("%d of %d expected clients %s", missing, run.ExpectedClients, never)
	again := r.again()
	switch {
	case len(run.AbsentNames) > 0:
		v.partial("%s: %s", short, nameSome(run.AbsentNames))
	case len(again) > 0:
		for _, text := range again {
			v.partial("%s; %s", text, short)
		}
	default:
		v.partial("expected %s, %d %s", plural(uint64(run.ExpectedClients), "client"), run.JoinedClients, came)
	}
}

// namesake is who came under one name, of those that may count.
type namesake struct {
	first *Client
	times int
}

// namesakes are all of them, by name.
func (r *Report) namesakes() map[string]*namesake {
	all := make(map[string]*namesake)
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Standing == "" {
			continue
		}
		if all[c.Name] == nil {
			all[c.Name] = &namesake{first: c}
		}
		all[c.Name].times++
	}
	return all
}

// again says of the clients whose name came before what became of the first, the first few.
func (r *Report) again() []string {
	var list []string
	all := r.namesakes()
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Standing != StandingAgain || all[c.Name] == nil {
			continue
		}
		if len(list) == maxNamed {
			break
		}
		list = append(list, r.againWords(c, all[c.Name]))
		delete(all, c.Name) // told
	}
	return list
}

// againWords say how often the name of a client came, and what became of the first that
// had it.
func (r *Report) againWords(c *Client, all *namesake) string {
	how := "twice"
	if all.times > 2 {
		how = fmt.Sprintf("%d times", all.times)
	}
	kind, why := r.shortfall(all.first)
	fate := "closed"
	switch {
	case all.first.connectedAt(c.OpenedAt):
		fate = "was at work meanwhile"
	case all.first.Outcome == OutcomeLost:
		fate = "died" + because(why)
	case kind != "":
		fate = "was " + kind + because(why)
	}
	where := ""
	if all.first.Host != c.Host {
		where = fmt.Sprintf(" on another machine (%s, not %s)", orDash(all.first.Host), orDash(c.Host))
	}
	return fmt.Sprintf("%s came %s: its first client%s %s", c.Name, how, where, fate)
}

// connectedAt says whether a client had a connection at a moment.
func (c *Client) connectedAt(at Stamp) bool {
	for i := range c.Connections {
		n := &c.Connections[i]
		if n.AttachedAt <= at && (n.DetachedAt > at || n.DetachedAt == 0 && (c.EndedAt == 0 || c.EndedAt > at)) {
			return true
		}
	}
	return false
}

// nameSome names some of many.
func nameSome(names []string) string {
	const most = 20
	more := ""
	if n := len(names) - most; n > 0 {
		names, more = names[:most], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(names, ", ") + more
}

// namesTwice finds clients that came under a name that had come before.
func namesTwice(r *Report) []Finding {
	var list []Finding
	all := r.namesakes()
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Standing != StandingAgain {
			continue
		}
		first := all[c.Name].first
		f := about(c, FindingNameTwice)
		f.Text = r.againWords(c, all[c.Name]) + "; a name counts once"
		if first.connectedAt(c.OpenedAt) {
			f.Text = fmt.Sprintf("two clients were called %s at the same time, on %s (pid %d) and on %s (pid %d); a name counts once: give each machine a name of its own",
				c.Name, orDash(first.Host), first.Pid, orDash(c.Host), c.Pid)
		}
		f.Evidence = fmt.Sprintf("session %d came at %s, session %d at %s", first.Session, offset(r.Run.StartedAt, first.OpenedAt), c.Session, offset(r.Run.StartedAt, c.OpenedAt))
		f.Threshold = "one such client"
		list = append(list, f)
	}
	return list
}

// unexpected finds clients whose name is not awaited, where names are.
func unexpected(r *Report) []Finding {
	var list []Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Standing != StandingUnexpected {
			continue
		}
		f := about(c, FindingUnexpected)
		f.Text = fmt.Sprintf("client %s was not expected; it was let in, and does not count", c.Label)
		f.Evidence = "expected are " + nameSome(r.Run.ExpectedNames)
		f.Threshold = "one such client"
		list = append(list, f)
	}
	return list
}
