package judge

import (
	"cmp"
	"math"
	"slices"

	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// Of how many points there must be one to have a knee, and how many there must be before one that is
// too slow.
const (
	kneeLeast  = 3
	kneeBefore = 2
)

// Knee returns the last point, by rising offered rate, before the first one that the storage does not
// keep up with: of which too little was delivered, or whose response p99 is too slow, and that of all
// points behind it, too. The words are not in it.
func Knee(points []report.CurvePoint) report.Knee {
	if len(points) < kneeLeast {
		return report.Knee{State: report.KneeUntold}
	}
	for i := range points {
		k := report.Knee{State: report.KneeFound, Beyond: points[i].Stage, Short: isShort(&points[i]),
			Slow: isSlow(points, i), UsualNano: usual(points[:i])}
		switch {
		case !k.Short && !k.Slow:
			continue
		case i == 0:
			k.State = report.KneeBelow
		default:
			k.Stage = points[i-1].Stage
		}
		return k
	}
	return report.Knee{State: report.KneeNone}
}

// isShort is of exact numbers: a percentage in the report is rounded.
func isShort(p *report.CurvePoint) bool {
	return float64(p.BytesPerSecond)*100 < report.KneeDelivered*float64(p.OfferedBytesPerSecond)
}

func isSlow(points []report.CurvePoint, i int) bool {
	most := report.KneeSlower * usual(points[:i])
	if most == 0 || !points[i].Response.Known() {
		return false
	}
	return !slices.ContainsFunc(points[i:], func(p report.CurvePoint) bool {
		return p.Response.Known() && p.Response.P99Nano <= most
	})
}

// usual returns the median response p99 of points; 0 if they are too few.
func usual(points []report.CurvePoint) int64 {
	var known []int64
	for i := range points {
		if l := points[i].Response; l.Known() {
			known = append(known, l.P99Nano)
		}
	}
	if len(known) < kneeBefore {
		return 0
	}
	slices.Sort(known)
	low, high := known[(len(known)-1)/2], known[len(known)/2]
	return low + (high-low)/2
}

// Curves returns what steps make, each of which gets the number of its curve. Those of one name, but
// for its last word, are one curve.
func Curves(stages []report.Stage, running bool) []report.Curve {
	var list []report.Curve
	open := make(map[int]bool) // the curves with steps that are not over
	for i := range stages {
		s := &stages[i]
		if s.Told.Curve == 0 {
			continue
		}
		name := words.CurveName(s.Name)
		k := slices.IndexFunc(list, func(c report.Curve) bool { return c.Name == name })
		if k < 0 {
			k = len(list)
			list = append(list, report.Curve{Number: k + 1, Name: name, Of: s.Told.RateOf,
				Points: []report.CurvePoint{}})
		}
		s.Curve = k + 1
		open[k] = open[k] || running && s.Finished < s.Clients || s.Clients == 0
		if s.Chunks > 0 || s.Response.Known() { // or due, and not written
			list[k].Points = append(list[k].Points, pointOf(s))
		}
	}
	for k := range list {
		c := &list[k]
		sortPoints(c.Points)
		c.Knee = Knee(c.Points)
		if open[k] && c.Knee.State == report.KneeNone { // the steps that are missing may have it
			c.Knee = report.Knee{State: report.KneeUntold}
		}
		c.Knee.Why = words.KneeWhy(c)
		c.Text = words.Knee(c)
	}
	return list
}

func pointOf(s *report.Stage) report.CurvePoint {
	p := report.CurvePoint{Stage: s.Number, Name: s.Name, Percent: s.Told.RatePercent,
		OfferedBytesPerSecond: s.OfferedBytesPerSecond, BytesPerSecond: s.BytesPerSecond}
	if s.Response != nil {
		response := *s.Response
		p.Response = &response
	}
	if p.OfferedBytesPerSecond > 0 {
		p.DeliveredPercent = math.Round(1000*float64(p.BytesPerSecond)/float64(p.OfferedBytesPerSecond)) / 10
	}
	return p
}

// sortPoints orders points by their offered rates, or else by their percentages.
func sortPoints(points []report.CurvePoint) {
	known := !slices.ContainsFunc(points, func(p report.CurvePoint) bool { return p.OfferedBytesPerSecond == 0 })
	slices.SortStableFunc(points, func(a, b report.CurvePoint) int {
		if known {
			return cmp.Compare(a.OfferedBytesPerSecond, b.OfferedBytesPerSecond)
		}
		return cmp.Compare(a.Percent, b.Percent)
	})
}
