package report

import "fmt"

// clockOffsets finds clients whose clock is far from the supervisor's, the farthest first.
func clockOffsets(r *Report) []Finding {
	var list []Finding
	for _, c := range byFalling(r.Clients, func(c *Client) int64 { return max(c.ClockOffsetNano, -c.ClockOffsetNano) }) {
		if c.ClockOffsetNano <= clockOffset && c.ClockOffsetNano >= -clockOffset {
			continue
		}
		f := about(c, FindingClock)
		evidence := "the clock it showed as it arrived, network delay included"
		if c.ClockReadings > 0 {
			evidence = fmt.Sprintf("the least delayed of %s, network delay included", plural(c.ClockReadings, "message"))
		}
		word, nano := "ahead of", c.ClockOffsetNano
		if nano < 0 {
			word, nano = "behind", -nano
		}
		f.Text = fmt.Sprintf("the clock of client %s is %s %s the supervisor's; the time axis is corrected by that", c.Label, human(nano), word)
		f.Evidence = evidence
		f.Threshold = "more than " + human(clockOffset)
		list = append(list, f)
	}
	return list
}

// clockSteps finds wall clocks that were set during the run: the supervisor's, then those
// of clients. No duration or rate hangs on them, but logs of the machine do.
func clockSteps(r *Report) []Finding {
	var list []Finding
	if f, ok := stepped(Finding{Kind: FindingClockStep}, "the supervisor's clock", r, r.Run.ClockSteps); ok {
		list = append(list, f)
	}
	for i := range r.Clients {
		c := &r.Clients[i]
		if f, ok := stepped(about(c, FindingClockStep), "the clock of client "+c.Label, r, c.ClockSteps); ok {
			list = append(list, f)
		}
	}
	for _, at := range r.Run.Reboots {
		list = append(list, Finding{Kind: FindingClockStep, Severity: SeverityNote,
			Text: fmt.Sprintf("the supervisor's machine started anew before %s: only its wall clock says for how long no supervisor was there",
				timeOfDay(r.Run.StartedAt, at)),
			Evidence:  "the run was taken up on another boot of the machine",
			Threshold: "another boot"})
	}
	return list
}

// stepped completes a finding about a clock that was set, if it was.
func stepped(f Finding, whose string, r *Report, steps []ClockStep) (Finding, bool) {
	if len(steps) == 0 {
		return f, false
	}
	texts := make([]string, len(steps))
	for i, s := range steps {
		texts[i] = fmt.Sprintf("by %s at %s", signed(s.ByNano), timeOfDay(r.Run.StartedAt, s.At))
	}
	f.Text = fmt.Sprintf("%s stepped %s; no duration or rate hangs on it, and times of day go on as before", whose, andMore(texts))
	f.Evidence = "beside the machine's clock that is never set"
	f.Threshold = human(stepLeast) + " between two readings; slewing is no step"
	return f, true
}

// signed is a duration with its sign: "+1h00m00s".
func signed(nano int64) string {
	if nano < 0 {
		return human(nano)
	}
	return "+" + human(nano)
}

// clockTimes finds clients whose times contradict each other.
func clockTimes(r *Report) []Finding {
	var list []Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.ClockComplaint == "" {
			continue
		}
		f := about(c, FindingClockTimes)
		f.Text = fmt.Sprintf("the times of client %s cannot be trusted: %s", c.Label, c.ClockComplaint)
		f.Evidence = "its Hello, its messages and when they arrived"
		f.Threshold = "a unit that fits, or more than " + human(apartMost) + " apart"
		list = append(list, f)
	}
	return list
}
