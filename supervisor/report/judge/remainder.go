package judge

import (
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

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
