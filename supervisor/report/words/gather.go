package words

import (
	"fmt"
	"strings"

	"bulkhead/internal/human"
	"bulkhead/supervisor/report"
)

// Gather returns in a line how a run gathered its clients; "" if it did not.
func Gather(r *report.Report) string {
	g := r.Run.Gather
	if g == nil {
		return ""
	}
	waited := "waited for " + gatherOf(&r.Run)
	switch g.End {
	case report.GatherComplete:
		waited += fmt.Sprintf("; all were ready after %s, and began at %s", human.Duration(g.WaitedNano),
			Offset(r.Run.StartedAt, g.BeginAt))
	case report.GatherShort:
		waited += fmt.Sprintf("; after %s %d were ready, and began at %s without %s", human.Duration(g.WaitedNano),
			g.Ready, Offset(r.Run.StartedAt, g.BeginAt), Missing(g.Missing))
	case report.GatherAborted:
		waited += fmt.Sprintf("; given up after %s with %d ready: without %s", human.Duration(g.WaitedNano), g.Ready,
			Missing(g.Missing))
	case "":
		if r.Run.End != "" || r.Run.DrainedAt != 0 {
			return waited + "; ended by a drain before that"
		}
		return waited + "; not over"
	default:
		waited += "; ended in a way that this version does not know"
	}
	var late, unable, excused []string
	for i := range r.Clients {
		switch c := &r.Clients[i]; c.Gathered {
		case report.GatheredLate:
			late = append(late, c.Label)
		case report.GatheredUnable:
			unable = append(unable, c.Label)
		case report.GatheredExcused:
			excused = append(excused, c.Label)
		}
	}
	if len(late) > 0 {
		waited += "; late: " + NameSome(late)
	}
	if len(excused) > 0 {
		waited += "; not waited for any more, as an operator ended it alone: " + NameSome(excused)
	}
	if len(unable) > 0 {
		waited += "; could not wait: " + NameSome(unable)
	}
	return waited
}

// StageGather returns in a line how clients that wait for each other before a stage began it.
func StageGather(r *report.Report, g *report.StageGather) string {
	text := ""
	switch g.End {
	case report.GatherComplete:
		text = fmt.Sprintf("%s came to it within %s, and began at %s", Plural(uint64(g.Ready), "client"),
			human.Duration(g.WaitedNano), Offset(r.Run.StartedAt, g.BeginAt))
	case report.GatherShort:
		text = fmt.Sprintf("%s had come to it after %s, and began at %s without %s", Plural(uint64(g.Ready), "client"),
			human.Duration(g.WaitedNano), Offset(r.Run.StartedAt, g.BeginAt), Missing(g.Missing))
	default:
		text = "clients wait for each other before it, for " + human.Duration(g.TimeoutNano) + " at most"
		if len(g.Came) > 0 {
			text += fmt.Sprintf("; %s waiting for %s", Plural(uint64(len(g.Came)), "client"), NameSome(g.Awaited))
		}
	}
	if len(g.Late) > 0 {
		text += fmt.Sprintf("; late, by %s at most: %s", human.Duration(g.LateNano), NameSome(g.Late))
	}
	if len(g.Alone) > 0 {
		text += "; without a word of the supervisor: " + NameSome(g.Alone)
	}
	if len(g.Unable) > 0 {
		text += "; could not wait: " + NameSome(g.Unable)
	}
	return text
}

// gatherOf names those that were waited for, and for how long at most.
func gatherOf(run *report.Run) string {
	who := Plural(uint64(run.ExpectedClients), "client")
	if len(run.ExpectedNames) > 0 {
		who = NameSome(run.ExpectedNames)
	}
	return who + " for " + human.Duration(run.Gather.TimeoutNano) + " at most"
}

// Missing names those that were not ready when a gather ended, and how far each was.
func Missing(list []report.GatherMissing) string {
	var names []string
	for _, m := range list {
		who := m.Name
		if who == "" {
			who = Plural(uint64(m.Clients), "more client")
		}
		names = append(names, fmt.Sprintf("%s (%s)", who, missingState(m.State)))
	}
	return NameSome(names)
}

func missingState(state string) string {
	switch state {
	case report.GatherMissingNotReady:
		return "connected, not ready"
	case report.GatherMissingGone:
		return "ready, and gone"
	default:
		return "not connected"
	}
}

// CommonWindow returns in a line how long the clients of a run wrote together; "" where there are not
// several.
func CommonWindow(r *report.Report) string {
	w := r.CommonWindow
	if !w.Told() {
		return ""
	}
	text := NoWindow(w)
	if w.Exists() {
		text = fmt.Sprintf("%s wrote together for %s, %s of the longest load, from %s to %s; first writes within %s",
			Plural(uint64(w.Clients), "client"), human.Duration(w.LengthNano), Percent(w.OverlapPercent),
			Offset(r.Run.StartedAt, w.FromAt), Offset(r.Run.StartedAt, w.ToAt), human.Duration(w.StartSpreadNano))
		if apart := report.Between(w.FromAt, w.ToAt) - w.LengthNano; apart > 0 {
			text += fmt.Sprintf("; without %s between stages", human.Duration(apart))
		}
	}
	if n := uint64(len(w.Without)) + w.WithoutLeftOut; n > 0 {
		text += "; without " + withoutWhom(w)
	}
	if n := int(r.Run.ExpectedClients) - int(r.Run.JoinedClients); n > 0 {
		text += fmt.Sprintf("; %s never came", Plural(uint64(n), "expected client"))
	}
	return text
}

// NoWindow says who had ended before who began, of clients without a common window.
func NoWindow(w *report.CommonWindow) string {
	if w.FirstDone.At > w.LastBegun.At {
		return fmt.Sprintf("there was no time in which all %d clients wrote: whenever some did, another one was "+
			"between two of its stages", w.Clients)
	}
	return fmt.Sprintf("there was no time in which all %d clients wrote: %s began when %s had ended", w.Clients,
		windowEdge(&w.LastBegun), windowEdge(&w.FirstDone))
}

// WindowEdges says who bounds a common window.
func WindowEdges(run *report.Run, w *report.CommonWindow) string {
	return fmt.Sprintf("%s was the last to begin, at %s; %s was the first to be done, at %s", windowEdge(&w.LastBegun),
		Offset(run.StartedAt, w.LastBegun.At), windowEdge(&w.FirstDone), Offset(run.StartedAt, w.FirstDone.At))
}

func windowEdge(e *report.WindowEdge) string { return fmt.Sprintf("%s of %s", e.Process, e.Client) }

// WindowRate returns what was written in a common window, and of which intervals that is; "" for none.
func WindowRate(w *report.CommonWindow) string {
	if w.Intervals == 0 {
		return ""
	}
	text := fmt.Sprintf("%s in %s; %s MB/s", human.Size(w.Bytes), Plural(w.Chunks, "chunk"),
		human.Megabytes(w.BytesPerSecond))
	if w.ReadBytes > 0 {
		text += fmt.Sprintf(", read %s MB/s beside it", human.Megabytes(w.ReadBytesPerSecond))
	}
	return text + ", in the " + Plural(uint64(w.Intervals), "whole interval") + " of " +
		human.Duration(w.IntervalNano) + " that are in it"
}

// WarmUp returns what was done in the warm-up; "" for none.
func WarmUp(w *report.Writes) string {
	if w.WarmUp == nil {
		return ""
	}
	text := human.Size(w.WarmUp.Bytes) + " in " + Plural(w.WarmUp.Chunks, "chunk")
	if w.WarmUp.ReadBytes > 0 {
		text += ", " + human.Size(w.WarmUp.ReadBytes) + " read"
	}
	return text + "; they are in the run over time alone, and in none of these figures"
}

// Percent returns a share as it is in a report.
func Percent(percent float64) string { return fmt.Sprintf("%.4g %%", percent) }

// withoutWhom names those that a common window is not of, and why.
func withoutWhom(w *report.CommonWindow) string {
	var parts []string
	for _, why := range []struct{ word, text string }{
		{report.WithoutWriting, "wrote nothing"}, {report.WithoutClock, "delivered later"},
	} {
		var names []string
		for i := range w.Without {
			if w.Without[i].Why == why.word {
				names = append(names, w.Without[i].Client)
			}
		}
		if len(names) > 0 {
			parts = append(parts, NameSome(names)+" ("+why.text+")")
		}
	}
	if w.WithoutLeftOut > 0 {
		parts = append(parts, Plural(w.WithoutLeftOut, "more client"))
	}
	return strings.Join(parts, ", ")
}

// FleetRate returns in a line what clients were to write together, and what became of that; "" for no limit.
func FleetRate(r *report.FleetRate) string {
	if r == nil {
		return ""
	}
	text := perSecond(r.BytesPerSecond, r.ChunksPerSecond) + " for all clients together"
	if r.ReachedBytesPerSecond != nil {
		bytes, chunks := *r.ReachedBytesPerSecond, *r.ReachedChunksPerSecond
		if r.BytesPerSecond == 0 {
			bytes = 0
		}
		if r.ChunksPerSecond == 0 {
			chunks = 0
		}
		text += "; " + perSecond(bytes, chunks) + " in the common window"
	}
	if n := uint64(len(r.Divisions)) + r.DivisionsLeftOut; n > 0 {
		text += "; divided " + Times(n)
	}
	return text
}

// perSecond returns what is written in a second, as far as it is not 0.
func perSecond(bytes uint64, chunks float64) string {
	var parts []string
	if bytes > 0 {
		parts = append(parts, human.Size(bytes)+"/s")
	}
	if chunks > 0 {
		parts = append(parts, human.ExactNumber(roundedTo3(chunks))+" chunks/s")
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, " and ")
}

// roundedTo3 returns a number without what a thousandth is more than.
func roundedTo3(v float64) float64 { return float64(int64(v*1000+0.5)) / 1000 }

// Division returns in a line how a rate was divided again.
func Division(d *report.RateDivision) string {
	text := "the fleet's rate was divided over " + Plural(uint64(d.Clients), "client")
	if len(d.Gone) > 0 {
		text += "; gone: " + NameSome(d.Gone)
	}
	if len(d.Came) > 0 && d.Division > 1 {
		text += "; came: " + NameSome(d.Came)
	}
	return text
}
