package judge

import (
	"fmt"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// silentClients finds clients that said nothing though their connections lived, the one that
// was silent for the longest time first.
func silentClients(r *report.Report) []report.Finding {
	var list []report.Finding
	for _, c := range byFalling(r.Clients, longestGap) {
		if len(c.MessageGaps) == 0 {
			continue
		}
		texts := make([]string, 0, len(c.MessageGaps))
		for _, g := range c.MessageGaps {
			until := ""
			if g.EndAt == 0 {
				until = " and was silent still"
			}
			texts = append(texts, fmt.Sprintf("for %s from %s on%s", human.Duration(g.LengthNano),
				words.TimeOfDay(r.Run.StartedAt, g.At), until))
		}
		f := about(c, report.FindingSilent)
		f.Text = fmt.Sprintf("client %s said nothing %s, though its connection lived", c.Label, andMore(texts))
		f.Evidence = fmt.Sprintf(
			"it had declared heartbeats every %s, and its transport answered; what it was doing meanwhile is unknown",
			human.Duration(c.Workload.HeartbeatIntervalNano))
		if n := c.MessageGapsLeftOut; n > 0 {
			f.Evidence += "; " + words.Plural(n, "more silence")
		}
		f.Threshold = "4 heartbeat intervals, and at least 12s"
		list = append(list, f)
	}
	return list
}

// longestGap returns the length of the longest message gap of a client, in nanoseconds.
func longestGap(c *report.Client) int64 {
	var longest int64
	for _, g := range c.MessageGaps {
		longest = max(longest, g.LengthNano)
	}
	return longest
}

// supervisorPaused finds that the supervisor itself was not running.
func supervisorPaused(r *report.Report) []report.Finding {
	if len(r.Run.Pauses) == 0 {
		return nil
	}
	texts := make([]string, len(r.Run.Pauses))
	for i, p := range r.Run.Pauses {
		texts[i] = fmt.Sprintf("for %s from %s on", human.Duration(p.LengthNano),
			words.TimeOfDay(r.Run.StartedAt, p.At))
	}
	f := report.Finding{Kind: report.FindingPaused,
		Text: "the supervisor itself did not run " + andMore(texts) + "; no client is blamed for that time"}
	f.Evidence = "its own clock: it was stopped, suspended with its machine, or without processor time"
	if n := r.Run.PausesLeftOut; n > 0 {
		f.Evidence += "; " + words.Plural(n, "more pause")
	}
	f.Threshold = "3s"
	return []report.Finding{f}
}
