package report

import (
	"fmt"
	"slices"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// leaveOut counts messages that are not used. first is the number of the first, and about what
// it was, "" if nobody can tell.
func (s *sessionState) leaveOut(why string, first, messages uint64, about string) {
	if s.client.Malformed == 0 {
		s.client.MalformedFirst = fmt.Sprintf("message %s%s: %s", count(first), about, why)
	}
	s.client.Malformed += messages
	s.malformed.addN(why, messages)
}

// factWords says what a message is, and about whom, to be put behind its number.
func factWords(m *bulkheadv1.Message) string {
	r := m.ProtoReflect()
	fact := r.WhichOneof(r.Descriptor().Oneofs().ByName("fact"))
	if fact == nil {
		return ""
	}
	text := ", a " + string(fact.Message().Name())
	if m.GetProcess().GetKind() == bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER {
		text += fmt.Sprintf(" of consumer %d", m.GetProcess().GetIndex())
	}
	return text
}

// judgeLeftOut says which messages of a client are in no figure because of what they hold.
// What they were to tell is missing, however the load ended.
func (v *Verdict) judgeLeftOut(c *Client) {
	for _, why := range c.MalformedWhy {
		v.partial("client %s: %s left out: %s", c.Label, plural(why.Count, "message"), why.Text)
	}
}

// leftOut are the findings about clients of which messages are in no figure. Those that only
// came too late are told as a contradiction.
func leftOut(r *Report) []Finding {
	var list []Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		if !slices.ContainsFunc(c.MalformedWhy, func(why Count) bool { return why.Text != badLate }) {
			continue
		}
		f := about(c, FindingLeftOut)
		f.Text = fmt.Sprintf("the figures of client %s lack %s of what it said, because that cannot be", c.Label, plural(c.Malformed, "message"))
		f.Evidence, f.Threshold = c.MalformedFirst, "one message"
		list = append(list, f)
	}
	return list
}
