package words

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// Namesake is the first client that came under a name, of those that may count, and how many did.
type Namesake struct {
	First *report.Client
	times int
}

// Namesakes returns the clients that may count, by name.
func Namesakes(r *report.Report) map[string]*Namesake {
	all := make(map[string]*Namesake)
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Standing == "" {
			continue
		}
		if all[c.Name] == nil {
			all[c.Name] = &Namesake{First: c}
		}
		all[c.Name].times++
	}
	return all
}

// Again returns what became of the first client of each name that came again, for a few names.
func Again(r *report.Report) []string {
	var list []string
	all := Namesakes(r)
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Standing != report.StandingAgain || all[c.Name] == nil {
			continue
		}
		if len(list) == MaxNamed {
			break
		}
		list = append(list, AgainWords(r, c, all[c.Name]))
		delete(all, c.Name) // told
	}
	return list
}

// AgainWords returns how often the name of a client came, and what became of the first that
// had it.
func AgainWords(r *report.Report, c *report.Client, all *Namesake) string {
	how := "twice"
	if all.times > 2 {
		how = fmt.Sprintf("%d times", all.times)
	}
	kind, why := Shortfall(r, all.First)
	fate := "closed"
	switch {
	case ConnectedAt(all.First, c.OpenedAt):
		fate = "was at work meanwhile"
	case all.First.Outcome == report.OutcomeLost:
		fate = "died" + Because(why)
	case kind != "":
		fate = "was " + kind + Because(why)
	}
	where := ""
	if all.First.Host != c.Host {
		where = fmt.Sprintf(" on another machine (%s, not %s)", human.OrDash(all.First.Host), human.OrDash(c.Host))
	}
	return fmt.Sprintf("%s came %s: its first client%s %s", c.Name, how, where, fate)
}

// ConnectedAt reports whether a client had a connection at a moment.
func ConnectedAt(c *report.Client, at report.Stamp) bool {
	for i := range c.Connections {
		n := &c.Connections[i]
		if n.AttachedAt <= at && (n.DetachedAt > at || n.DetachedAt == 0 && (c.EndedAt == 0 || c.EndedAt > at)) {
			return true
		}
	}
	return false
}

// NameSome names some of many.
func NameSome(names []string) string { return nameFirst(20, names) }

// nameFirst names the first of many.
func nameFirst(most int, names []string) string {
	more := ""
	if n := len(names) - most; n > 0 {
		names, more = names[:most], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(names, ", ") + more
}

// Job returns in a line which run of which job a run is, and on whose agents; "" if it is of none.
func Job(j *report.Job) string {
	if j == nil {
		return ""
	}
	text := j.Name
	if j.Of > 1 {
		text += fmt.Sprintf(", run %d of %d", j.Number, j.Of)
	}
	var agents, late []string
	for _, c := range j.Clients {
		if c.Late {
			late = append(late, c.Agent)
		} else {
			agents = append(agents, c.Agent)
		}
	}
	if len(agents) > 0 {
		text += ", on " + NameSome(agents)
	}
	if len(late) > 0 {
		text += "; joined later: " + NameSome(late)
	}
	return text
}

// Connected reports whether a session that has no end had a connection at the last.
func Connected(c *report.Client) bool {
	n := len(c.Connections)
	return c.Outcome == report.OutcomeOpen && n > 0 && c.Connections[n-1].DetachedAt == 0
}
