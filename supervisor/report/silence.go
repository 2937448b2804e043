package report

import (
	"fmt"
	"strings"
)

const (
	// maxSilences is the most silences of one client that are kept.
	maxSilences = 200
	// shownSilences is how many of them the text lists.
	shownSilences = 12
)

// goneReason begins why a process did not answer because it had ended; only these words
// of the client tell it from one that lives. Its end is told elsewhere.
const goneReason = "process is gone"

// silence is a row of rounds, one after the other, that a living process did not answer.
type silence struct {
	key      processKey
	from, to Stamp // begin of the first round, and when it was known that the last got no answer
	rounds   uint64
	reason   string // of the first
}

// silent adds a missed round to the silence that open names, or a new one if it names none,
// and returns its name.
func (c *clientLine) silent(open int, key processKey, from, to, recorded Stamp, reason string) int {
	if strings.HasPrefix(reason, goneReason) {
		return 0
	}
	from, to, ok := c.place(from, max(from, to), c.offset, recorded)
	switch {
	case !ok:
		return open
	case open > 0:
		s := &c.silences[open-1]
		s.from, s.to, s.rounds = min(s.from, from), max(s.to, to), s.rounds+1
		return open
	case len(c.silences) == maxSilences:
		c.leftOut++
		return 0
	}
	c.silences = append(c.silences, silence{key, max(from, c.start), to, 1, clean(reason, maxName)})
	return len(c.silences)
}

// silenceEvents returns the silences of a client, c.
func (l *clientLine) silenceEvents(c *Client) []Event {
	list := make([]Event, 0, len(l.silences))
	for _, s := range l.silences {
		list = append(list, Event{At: s.from, EndAt: s.to, Kind: EventMissed, Session: c.Session, Client: c.Label,
			Text: fmt.Sprintf("%s: %s missed %s%s", c.Label, s.key, plural(s.rounds, "heartbeat"), because(s.reason))})
	}
	return list
}

// silences prints when processes of a client did not answer, or answered that a system call
// was stuck.
func (p *page) silences(c *Client) {
	if p.Series == nil {
		return
	}
	t := newTable("at", ">after", ">for", "event")
	more := 0
	for i := range p.Series.Events {
		e := &p.Series.Events[i]
		if e.Session != c.Session || e.Kind != EventMissed && e.Kind != EventStall {
			continue
		}
		if len(t.rows) == shownSilences {
			more++
			continue
		}
		t.row(timeOfDay(p.Run.StartedAt, e.At), offset(p.Run.StartedAt, e.At), human(between(e.At, e.EndAt)),
			strings.TrimPrefix(e.Text, c.Label+": "))
	}
	p.section("missed heartbeats and stalls (supervisor's clock, from the start of the run)", t)
	p.elsewhere(more, "of them")
}
