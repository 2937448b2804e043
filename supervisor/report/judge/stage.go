package judge

import (
	"fmt"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// judgeSchedule adds that a client did not come to all stages of its load. One that was cut short
// says why itself, and one of which another session has the rest is left to what is said of that.
func (v verdict) judgeSchedule(c *report.Client, parted, running bool) {
	text := words.Unreached(c)
	going := running && c.Outcome == report.OutcomeOpen && c.StopReason == ""
	switch {
	case text == "" || going || parted || c.Resent:
	case c.Load == report.LoadWhole && c.Outcome == report.OutcomeClosed:
		v.partial("client %s: %s", c.Label, text)
	default:
		v.warn("client %s: %s", c.Label, text)
	}
}

// judgeStages adds in which stages that are reported, and that clients finished, nothing was written.
func (v verdict) judgeStages(r *report.Report) {
	for i := range r.Stages {
		s := &r.Stages[i]
		if s.Finished > 0 && s.Bytes == 0 && !s.Told.Unreported {
			v.partial("nothing was written in stage %s, which %s finished", s.Name,
				words.Plural(uint64(s.Finished), "client"))
		}
	}
	for i := range r.Stages {
		if g := r.Stages[i].Gather; g != nil && g.End == report.GatherShort {
			v.warn("stage %s began without clients that had not come to it in time: %s", r.Stages[i].Name,
				words.Missing(g.Missing))
		}
	}
	if n := r.StagesLeftOut; n > 0 {
		v.warn("the figures of %s are left out: the report has room for %d of different names",
			words.Plural(n, "stage"), report.MaxRunStages)
	}
}

// stagesLate finds stages that clients were to begin together and did not.
func stagesLate(r *report.Report) (list []report.Finding) {
	for i := range r.Stages {
		s := &r.Stages[i]
		g := s.Gather
		if g == nil || g.End != report.GatherShort && len(g.Late)+len(g.Alone)+len(g.Unable) == 0 {
			continue
		}
		f := report.Finding{Kind: report.FindingStages, Evidence: g.Text, Threshold: human.Duration(report.LateLeast),
			Text: fmt.Sprintf("clients were to begin stage %s together, and did not", s.Name)}
		if g.End == report.GatherShort {
			f.Text = fmt.Sprintf("stage %s began without clients that had not come to it: the wait for them timed out",
				s.Name)
			f.Threshold = human.Duration(g.TimeoutNano)
		}
		list = append(list, f)
	}
	return list
}

// stagesApart finds the reported stage that its clients were in together for the smallest part of
// its time, if that is small, and those that not all clients have.
func stagesApart(r *report.Report) []report.Finding {
	var worst *report.Stage
	running := r.CommonWindow != nil && r.CommonWindow.Running
	for i := range r.Stages {
		s := &r.Stages[i]
		over := s.Finished == s.Clients || !running
		if s.Clients > 1 && over && !s.Told.Unreported && s.OverlapPercent < report.OverlapLeast &&
			(worst == nil || s.OverlapPercent < worst.OverlapPercent) {
			worst = s
		}
	}
	list := stagesLate(r)
	if worst != nil {
		list = append(list, report.Finding{Kind: report.FindingStages,
			Text: fmt.Sprintf("the clients were in stage %s together for a small part of it: its figures are of a "+
				"time in which others were in other stages, or done", worst.Name),
			Evidence: fmt.Sprintf("together for %s of the time of the client that was in it for the longest, within %s",
				words.Percent(worst.OverlapPercent), human.Duration(worst.LengthNano)),
			Threshold: fmt.Sprintf("below %d %%", report.OverlapLeast)})
	}
	if text := words.OtherSchedules(r); text != "" {
		list = append(list, report.Finding{Kind: report.FindingStages, Severity: report.SeverityNote,
			Text: "not all clients have the same stages", Evidence: text, Threshold: "one client"})
	}
	return list
}
