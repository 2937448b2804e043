package fold

import (
	"fmt"
	"strings"

	"bulkhead/internal/plaintext"
	"bulkhead/internal/protocol"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

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
		list = append(list, report.Event{At: s.from, EndAt: s.to, Kind: report.EventMissed, Session: c.Session, Client: c.Label,
			Text: fmt.Sprintf("%s: %s missed %s%s", c.Label, s.key, words.Plural(s.rounds, "heartbeat"), words.Because(s.reason))})
	}
	return list
}
