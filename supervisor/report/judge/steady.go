package judge

import (
	"fmt"
	"slices"

	"bulkhead/internal/human"
	"bulkhead/internal/variation"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// median returns the middle of list, which is not empty, and sorts it.
func median(list []float64) float64 {
	slices.Sort(list)
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}

// SteadyState finds when the rate of all clients together was steady, or that it never
// was.
func SteadyState(r *report.Report) []report.Finding {
	rates := r.Rates()
	written := 0
	for _, rate := range rates {
		if rate > 0 {
			written++
		}
	}
	if written == 0 {
		return nil
	}
	f := report.Finding{Kind: report.FindingSteady,
		Threshold: fmt.Sprintf("coefficient of variation of the rate at most %v over %d intervals in a row or more",
			SteadyVariation, steadyIntervals)}
	w, least := SteadyWindow(rates)
	switch step := r.Series.IntervalNano; {
	case w.To > w.From:
		f.Text = fmt.Sprintf("the rate was steady from +%s on, for %s: %s MB/s",
			human.Duration(r.Series.OffsetNano+int64(w.From)*step), human.Duration(int64(w.To-w.From)*step),
			human.Megabytes(uint64(w.mean))) +
			missing(r, w)
		f.Evidence = fmt.Sprintf("coefficient of variation %.3f over %d intervals of %s", w.Variation, w.To-w.From,
			human.Duration(step))
	case least < 0 && steadyEnds(r) > 0:
		f.Text = fmt.Sprintf("the throughput was steady, as %s found by itself and ended for; since when in the "+
			"whole run, %s of it do not tell",
			words.Plural(uint64(steadyEnds(r)), "client"), words.Plural(uint64(written), "interval"))
		f.Evidence = fmt.Sprintf("something was written in %s of %s", words.Plural(uint64(written), "interval"),
			human.Duration(step))
	case least < 0:
		f.Untold = true
		f.Text = "the run did not write long enough without a pause to tell whether its rate was steady"
		f.Evidence = fmt.Sprintf("something was written in %s of %s", words.Plural(uint64(written), "interval"),
			human.Duration(step))
	default:
		f.Text = "the rate was never steady"
		if n := steadyEnds(r); n > 0 {
			f.Text = fmt.Sprintf(
				"the rate of the whole run was never steady by this measure; %s ended because its own was, "+
					"by stop_when", words.Plural(uint64(n), "client"))
		}
		f.Evidence = fmt.Sprintf("lowest coefficient of variation of %d intervals of %s in a row: %.3f",
			steadyIntervals, human.Duration(step), least)
	}
	return []report.Finding{f}
}

// steadyEnds returns how many clients ended their load because it was steady by what they were
// told.
func steadyEnds(r *report.Report) int {
	n := 0
	for i := range r.Clients {
		if r.Clients[i].StopReason == report.StopSteady {
			n++
		}
	}
	return n
}

// missing returns how many clients wrote in a window, in the middle of its intervals, if that is
// not all who wrote in the run: a rate that is steady because others have gone is not the rate of all.
func missing(r *report.Report, w Steady) string {
	wrote := 0
	for i := range r.Clients {
		if r.Clients[i].Bytes > 0 {
			wrote++
		}
	}
	if len(r.Series.Total.Active) < w.To {
		return ""
	}
	active := slices.Sorted(slices.Values(r.Series.Total.Active[w.From:w.To]))
	if usual := int(active[len(active)/2]); usual < wrote {
		return fmt.Sprintf(", with %d of %s writing", usual, words.Plural(uint64(wrote), "client"))
	}
	return ""
}

// Steady is a window of intervals.
type Steady struct {
	From, To        int // to is not in it
	mean, Variation float64
}

// SteadyWindow returns the longest window of intervals whose coefficient of variation is at most
// SteadyVariation, the earliest of several; none if To is 0. None has an interval of rate 0. least
// is the lowest coefficient of a window of steadyIntervals, or -1 if there is no such window.
func SteadyWindow(rates []float64) (w Steady, least float64) {
	least = -1
	for from := range rates {
		var spread variation.Spread
		for to := from; to < len(rates) && rates[to] > 0; to++ {
			spread.Add(rates[to])
			n := to + 1 - from
			if n < steadyIntervals {
				continue
			}
			varies := spread.Coefficient()
			if n == steadyIntervals && (least < 0 || varies < least) {
				least = varies
			}
			if varies <= SteadyVariation && n > w.To-w.From {
				w = Steady{from, to + 1, spread.Mean(), varies}
			}
		}
	}
	return w, least
}
