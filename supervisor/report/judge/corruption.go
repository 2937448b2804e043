package judge

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/internal/tally"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// shownPlaces is how many corruptions of a client a reason names.
const shownPlaces = 3

// judgeContent adds what of a client did not read back as it was written.
func (v verdict) judgeContent(c *report.Client) {
	content := words.BadContent(c)
	if content == "" {
		return
	}
	lines := []string{"client " + c.Label + ": " + content}
	for i := range c.Corruptions[:min(len(c.Corruptions), shownPlaces)] {
		lines = append(lines, words.Place(&c.Corruptions[i]))
	}
	if more := uint64(max(len(c.Corruptions)-shownPlaces, 0)) + c.CorruptionsLeftOut; more > 0 {
		lines = append(lines, "and "+words.Plural(more, "more place"))
	}
	v.partial("%s", strings.Join(lines, "\n"))
}

// warnOfVerification warns of what verification says less than it seems to.
func (v verdict) warnOfVerification(c *report.Client) {
	if n := c.VerifiedCachedBytes; n > 0 {
		v.warn("client %s: %s of the %s that were verified may have come from the page cache and not from storage",
			c.Label, human.Size(n), human.Size(c.VerifiedBytes))
	}
}

// corruption finds clients whose files did not hold what was written.
func corruption(r *report.Report) []report.Finding {
	var list []report.Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		words := words.BadContent(c)
		if words == "" {
			continue
		}
		f := about(c, report.FindingCorruption)
		f.Text = fmt.Sprintf("the storage of client %s did not keep what was written: %s", c.Label, words)
		f.Evidence = corruptEvidence(c)
		f.Threshold = "one block"
		list = append(list, f)
	}
	return list
}

func corruptEvidence(c *report.Client) string {
	text := human.Size(words.ComparedBytes(&c.Writes)) + " read back and compared"
	if len(c.Corruptions) == 0 {
		return text
	}
	var kinds tally.Tally[string]
	kinds.Limit = report.MaxMissReasons
	for i := range c.Corruptions {
		kinds.Add(c.Corruptions[i].Kind)
	}
	var parts []string
	for _, kind := range kinds.Order {
		parts = append(parts, human.Count(kinds.Counts[kind])+" "+kind)
	}
	first := &c.Corruptions[0]
	return fmt.Sprintf("%s; places: %s; the first is %s; expected %s; found %s", text, strings.Join(parts, ", "),
		words.Place(first),
		human.OrDash(first.Expected), human.OrDash(first.Found))
}
