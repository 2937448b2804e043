package judge

import (
	"fmt"

	"bulkhead/internal/human"
	"bulkhead/internal/protocol"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// gathered finds clients that did not begin with the others of a run that gathers.
func gathered(r *report.Report) []report.Finding {
	g := r.Run.Gather
	if g == nil || g.BeginAt == 0 {
		return nil
	}
	var list []report.Finding
	for i := range r.Clients {
		c := &r.Clients[i]
		f := about(c, report.FindingGather)
		switch c.Gathered {
		case report.GatheredLate:
			f.Text = fmt.Sprintf("client %s began after the others: %s late", c.Label,
				human.Duration(max(c.LoadLateNano, 0)))
			f.Evidence = "it was not ready as the moment was decided on, or was not reached in time"
			f.Threshold = human.Duration(report.LateLeast)
		case report.GatheredUnable:
			f.Text = fmt.Sprintf("client %s did not wait for the others: its version cannot", c.Label)
			f.Evidence = "its version is " + human.OrDash(c.Version)
			f.Threshold = fmt.Sprintf("protocol_minor %d", protocol.MinorGather)
		default:
			continue
		}
		list = append(list, f)
	}
	return list
}

// warnOfWait adds that the run did not wait for all that are expected.
func (v verdict) warnOfWait(run *report.Run) {
	if run.WaitedNano > 0 {
		v.warn("the run gave up on the clients that had not come in %s", human.Duration(run.WaitedNano))
	}
	if g := run.Gather; g != nil && g.End == report.GatherShort {
		v.warn("not all clients were ready in %s, and the others began without them: %s", human.Duration(g.TimeoutNano),
			words.Missing(g.Missing))
	}
}

// apartMost finds that the clients wrote together for a small part of their time, or never.
func apartMost(r *report.Report) []report.Finding {
	w := r.CommonWindow
	if !w.Told() || w.Running || w.OverlapPercent >= report.OverlapLeast {
		return nil
	}
	f := report.Finding{Kind: report.FindingWindow, Text: words.NoWindow(w), Evidence: words.WindowEdges(&r.Run, w),
		Threshold: fmt.Sprintf("below %d %% of the time of the client that wrote for the longest time, which is %s",
			report.OverlapLeast, human.Duration(w.LongestNano))}
	if w.Exists() {
		f.Text = fmt.Sprintf("the clients wrote together for %s only, %s of the longest load: figures of the whole "+
			"run are of times in which not all of them wrote",
			human.Duration(w.LengthNano), words.Percent(w.OverlapPercent))
	}
	return []report.Finding{f}
}

// judgeWindow adds that clients that were to begin together never wrote together. Where they were
// not to, that is a finding.
func (v verdict) judgeWindow(r *report.Report) {
	w, g := r.CommonWindow, r.Run.Gather
	if g == nil || g.BeginAt == 0 || !w.Told() || w.Running || w.Exists() {
		return
	}
	v.partial("no common window: %s", words.NoWindow(w))
}

// noCommon is why there are no figures of a common window, and notSeveral why there is none.
const (
	noCommon   = "there is no whole interval in which several clients wrote together"
	notSeveral = "there are not several clients that wrote"
)

// commonFigures returns what can be asserted of the time in which every client wrote, if they are
// several.
func commonFigures() []Figure {
	list := latencyFigures("common_", noCommon, func(r *report.Report) *report.Latency {
		if r.CommonWindow.Told() {
			return &r.CommonWindow.ChunkWrite
		}
		return nil
	})
	rate := func(name, unknown string, of func(*report.CommonWindow) (rate, bytes uint64)) Figure {
		return Figure{Figure: named(name), Of: func(r *report.Report) (float64, bool) {
			if w := r.CommonWindow; w.Told() && w.Intervals > 0 {
				rate, bytes := of(w)
				return float64(rate), bytes > 0
			}
			return 0, false
		}, unknown: unknown}
	}
	several := func(name string, of func(*report.CommonWindow) float64) Figure {
		return Figure{Figure: named(name), Of: func(r *report.Report) (float64, bool) {
			if !r.CommonWindow.Told() {
				return 0, false
			}
			return of(r.CommonWindow), true
		}, unknown: notSeveral}
	}
	list = append(list,
		rate("common_throughput", noCommon, func(w *report.CommonWindow) (rate, bytes uint64) {
			return w.BytesPerSecond, w.Bytes
		}),
		rate("common_read_throughput", noCommon+" and read", func(w *report.CommonWindow) (rate, bytes uint64) {
			return w.ReadBytesPerSecond, w.ReadBytes
		}),
		several("overlap", func(w *report.CommonWindow) float64 { return w.OverlapPercent }),
		several("start_spread", func(w *report.CommonWindow) float64 { return float64(w.StartSpreadNano) }),
	)
	for i := range list {
		list[i].Common = true
	}
	return list
}

// fleetRateOff is how much a fleet's rate may be missed by, in either direction, without a word.
const fleetRateOff = 0.05

// fleetRate finds that clients did not write what they were to write together, or more.
func fleetRate(r *report.Report) []report.Finding {
	f := r.Run.FleetRate
	if f == nil || f.ReachedBytesPerSecond == nil {
		return nil
	}
	// Of two limits the one that is reached first applies.
	reached := 0.0
	if f.BytesPerSecond > 0 {
		reached = float64(*f.ReachedBytesPerSecond) / float64(f.BytesPerSecond)
	}
	if f.ChunksPerSecond > 0 {
		reached = max(reached, *f.ReachedChunksPerSecond/f.ChunksPerSecond)
	}
	text := ""
	switch {
	case reached < 1-fleetRateOff:
		text = "the clients did not reach the rate that they were to write at together"
	case reached > 1+fleetRateOff:
		text = "the clients wrote more than the rate that they were to write at together"
	default:
		return nil
	}
	return []report.Finding{{Kind: report.FindingFleetRate, Text: text,
		Evidence:  words.Percent(100*reached) + " of it: " + words.FleetRate(f),
		Threshold: fmt.Sprintf("%g %% from it", 100*fleetRateOff)}}
}
