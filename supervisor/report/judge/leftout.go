package judge

import (
	"fmt"
	"slices"

	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// judgeLeftOut adds which messages of a client are in no figure because of what they hold.
// What they were to tell is missing, however the load ended.
func (v verdict) judgeLeftOut(c *report.Client) {
	for _, why := range c.MalformedWhy {
		v.partial("client %s: %s left out: %s", c.Label, words.Plural(why.Count, "message"), why.Text)
	}
}

// leftOut returns the findings about clients of which messages are in no figure. Those that only
// came too late are told as a contradiction.
func leftOut(r *report.Report) []report.Finding {
	var list []report.Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		if !slices.ContainsFunc(c.MalformedWhy, func(why report.Count) bool { return why.Reason != report.BadLate }) {
			continue
		}
		f := about(c, report.FindingLeftOut)
		f.Text = fmt.Sprintf("the figures of client %s leave out %s that cannot be true", c.Label,
			words.Plural(c.Malformed, "message"))
		f.Evidence, f.Threshold = c.MalformedFirst, "one message"
		list = append(list, f)
	}
	return list
}

// judgeResent adds what is missing of a client whose messages were delivered later.
// rest is the session that has what it lacks, or nil.
func (v verdict) judgeResent(c, rest *report.Client) {
	if !c.Resent || c.Outcome != report.OutcomeClosed {
		return // it has a reason of its own
	}
	switch {
	case rest != nil && rest.ContinuesGapless:
	case rest != nil:
		v.partial("client %s: %s of it %s not in this run; what follows was delivered later by resend, as %s",
			c.Label, words.RangeOf(c.LastSeq+1, rest.MissingUntil), words.BeVerb(c.LastSeq+1, rest.MissingUntil),
			rest.Label)
	case c.LastSeq == 0:
		v.partial("client %s: none of its messages was delivered by resend", c.Label)
	case c.StopReason == "":
		v.partial("client %s: the last of its messages are missing: what was delivered by resend has no Stop message",
			c.Label)
	}
}
