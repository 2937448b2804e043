package judge

import (
	"fmt"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// clockOffsets finds clients whose clock is far from the supervisor's, the farthest first.
func clockOffsets(r *report.Report) []report.Finding {
	var list []report.Finding
	for _, c := range byFalling(r.Clients,
		func(c *report.Client) int64 { return max(c.ClockOffsetNano, -c.ClockOffsetNano) }) {
		if c.ClockOffsetNano <= clockOffset && c.ClockOffsetNano >= -clockOffset {
			continue
		}
		f := about(c, report.FindingClock)
		evidence := "the clock it showed as it arrived, network delay included"
		if c.ClockReadings > 0 {
			evidence = fmt.Sprintf("the least delayed of %s, network delay included",
				words.Plural(c.ClockReadings, "message"))
		}
		word, nano := "ahead of", c.ClockOffsetNano
		if nano < 0 {
			word, nano = "behind", -nano
		}
		f.Text = fmt.Sprintf("the clock of client %s is %s %s the supervisor's; the time axis is corrected by that",
			c.Label, human.Duration(nano), word)
		f.Evidence = evidence
		f.Threshold = "more than " + human.Duration(clockOffset)
		list = append(list, f)
	}
	return list
}

// clockSteps finds wall clocks that were set during the run: the supervisor's, then those
// of clients. No duration or rate hangs on them, but logs of the machine do.
func clockSteps(r *report.Report) []report.Finding {
	var list []report.Finding
	if f, ok := stepped(report.Finding{Kind: report.FindingClockStep}, "the supervisor's clock", r,
		r.Run.ClockSteps); ok {
		list = append(list, f)
	}
	for i := range r.Clients {
		c := &r.Clients[i]
		if f, ok := stepped(about(c, report.FindingClockStep), "the clock of client "+c.Label, r, c.ClockSteps); ok {
			list = append(list, f)
		}
	}
	for _, at := range r.Run.Reboots {
		list = append(list, report.Finding{Kind: report.FindingClockStep, Severity: report.SeverityNote,
			Text: fmt.Sprintf("the supervisor's machine rebooted before %s: only its wall clock says for how "+
				"long no supervisor ran",
				words.TimeOfDay(r.Run.StartedAt, at)),
			Evidence:  "the run was resumed on another boot of the machine",
			Threshold: "another boot"})
	}
	return list
}

// stepped completes a finding about a clock that was set, if it was.
func stepped(f report.Finding, whose string, r *report.Report, steps []report.ClockStep) (report.Finding, bool) {
	if len(steps) == 0 {
		return f, false
	}
	texts := make([]string, len(steps))
	for i, s := range steps {
		texts[i] = fmt.Sprintf("by %s at %s", words.Signed(s.ByNano), words.TimeOfDay(r.Run.StartedAt, s.At))
	}
	f.Text = fmt.Sprintf("%s stepped %s; no duration or rate depends on it, and times of day continue as before", whose,
		andMore(texts))
	f.Evidence = "beside the machine's clock that is never set"
	f.Threshold = human.Duration(report.StepLeast) + " between two readings; slewing is no step"
	return f, true
}

// clockTimes finds clients whose times contradict each other.
func clockTimes(r *report.Report) []report.Finding {
	var list []report.Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.ClockComplaint == "" {
			continue
		}
		f := about(c, report.FindingClockTimes)
		f.Text = fmt.Sprintf("the times of client %s cannot be trusted: %s", c.Label, c.ClockComplaint)
		f.Evidence = "its Hello, its messages and when they arrived"
		f.Threshold = "a unit that fits, or more than " + human.Duration(report.ApartMost) + " apart"
		list = append(list, f)
	}
	return list
}
