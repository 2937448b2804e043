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
