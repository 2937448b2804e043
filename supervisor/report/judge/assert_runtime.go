package judge

import (
	"cmp"
	"fmt"

	"bulkhead/internal/assertion"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// runtimeFigure returns how long the clients wrote, the one that wrote least. Alone it is
// whether every load reached the end that its workload names.
func runtimeFigure() Figure {
	return Figure{
		Figure: named("runtime"),
		Of: func(r *report.Report) (float64, bool) {
			return least(r, func(l *ownLoad) (float64, bool) { return float64(l.nano), true })
		},
		unknown: "no client came",
		alone:   everyLoadWhole,
		percent: &Figure{Figure: assertion.Figure{Name: "runtime", Unit: assertion.InPercent},
			Of:      func(r *report.Report) (float64, bool) { return least(r, (*ownLoad).percent) },
			unknown: "a client did not say how long it was to run, or none came"},
	}
}

// ownLoad is what a client wrote, with what was delivered of it later.
type ownLoad struct {
	client *report.Client
	end    string // one of the Load… constants, or ""
	reason string // to stop
	nano   int64  // of writing
}

// loads returns the loads of all clients that came.
func loads(r *report.Report) []ownLoad {
	rests := words.RestsOf(r.Clients)
	var list []ownLoad
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Continues != 0 {
			continue // counted with what it is the rest of
		}
		l := ownLoad{c, c.Load, c.StopReason, cmp.Or(c.RuntimeReachedNano, c.WritingNano)}
		for rest, n := rests[c.Session], 0; rest != nil && n < len(r.Clients); rest, n = rests[rest.Session], n+1 {
			l.end, l.reason, l.nano = rest.Load, rest.StopReason, l.nano+
				cmp.Or(rest.RuntimeReachedNano, rest.WritingNano)
		}
		list = append(list, l)
	}
	return list
}

// percent returns the part of its runtime for which a client wrote. A load that ended for another
// reason of its workload was to be no longer.
func (l *ownLoad) percent() (float64, bool) {
	of := l.client.Workload.RuntimeNano
	switch {
	case l.end == report.LoadWhole && l.reason != report.StopRuntime && l.reason != report.StopReserve:
		return 100, true
	case of <= 0:
		return 0, false
	default:
		return 100 * float64(l.nano) / float64(of), true
	}
}

// least returns the lowest value of all loads, if each has one.
func least(r *report.Report, of func(*ownLoad) (float64, bool)) (float64, bool) {
	lowest, known := 0.0, false
	for i, l := range loads(r) {
		x, ok := of(&l)
		if !ok {
			return 0, false
		}
		if i == 0 || x < lowest {
			lowest = x
		}
		known = true
	}
	return lowest, known
}

// everyLoadWhole reports whether every load reached the end that its workload names – its
// runtime, total or steady state – and which one did not.
func everyLoadWhole(r *report.Report) (bool, string) {
	all := loads(r)
	short := 0
	first := ""
	for _, l := range all {
		if l.end == report.LoadWhole && l.reason != report.StopReserve {
			continue
		}
		if short++; first == "" {
			first = fmt.Sprintf("client %s %s", l.client.Label, words.LoadOf(l.client))
		}
	}
	switch {
	case len(all) == 0:
		return false, "no client came"
	case short == 0:
		return true, "every load ended as its workload says"
	case short == 1:
		return false, first
	default:
		return false, fmt.Sprintf("%s, and %d more of %d did not either", first, short-1, len(all))
	}
}
