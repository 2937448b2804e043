package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// runtimeFigure is how long the clients wrote, the one that wrote least. Alone it is
// whether every load reached the end that its workload names.
func runtimeFigure() figure {
	return figure{
		name: "runtime",
		unit: unit{"a duration such as 20s, or a part of each client's own runtime such as 95%", func(s string) (float64, error) {
			d, err := time.ParseDuration(s)
			return float64(d), err
		}, func(x float64) string { return human(int64(x)) }},
		of: func(r *Report) (float64, bool) {
			return r.least(func(l *ownLoad) (float64, bool) { return float64(l.nano), true })
		},
		unknown: "no client came",
		alone:   (*Report).everyLoadWhole,
		percent: &figure{name: "runtime", unit: inPercent(), of: func(r *Report) (float64, bool) { return r.least((*ownLoad).percent) },
			unknown: "a client did not say how long it was to run, or none came"},
	}
}

func inPercent() unit {
	return unit{"a percentage such as 95%", func(s string) (float64, error) {
		number := strings.TrimSuffix(s, "%")
		if number == "" || strings.Trim(number, "0123456789.") != "" {
			return 0, fmt.Errorf("%q is not a percentage", s)
		}
		return strconv.ParseFloat(number, 64)
	}, func(x float64) string { return fmt.Sprintf("%.1f%%", x) }}
}

// ownLoad is what a client wrote, with what was delivered of it later.
type ownLoad struct {
	client *Client
	end    string // one of the Load… constants, or ""
	reason string // to stop
	nano   int64  // of writing
}

// loads are those of all clients that came.
func (r *Report) loads() []ownLoad {
	rests := restsOf(r.Clients)
	var list []ownLoad
	for i := range r.Clients {
		c := &r.Clients[i]
		if c.Continues != 0 {
			continue // counted with what it is the rest of
		}
		l := ownLoad{c, c.Load, c.StopReason, cmp.Or(c.RuntimeReachedNano, c.WritingNano)}
		for rest, n := rests[c.Session], 0; rest != nil && n < len(r.Clients); rest, n = rests[rest.Session], n+1 {
			l.end, l.reason, l.nano = rest.Load, rest.StopReason, l.nano+cmp.Or(rest.RuntimeReachedNano, rest.WritingNano)
		}
		list = append(list, l)
	}
	return list
}

// percent is which part of its runtime a client wrote for. A load that ended for another
// reason of its workload was to be no longer.
func (l *ownLoad) percent() (float64, bool) {
	of := l.client.Workload.RuntimeNano
	switch {
	case l.end == LoadWhole && l.reason != "runtime" && l.reason != endedByReserve:
		return 100, true
	case of <= 0:
		return 0, false
	default:
		return 100 * float64(l.nano) / float64(of), true
	}
}

// least is the lowest value of all loads, if each has one.
func (r *Report) least(of func(*ownLoad) (float64, bool)) (float64, bool) {
	lowest, known := 0.0, false
	for i, l := range r.loads() {
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

// everyLoadWhole says whether every load reached the end that its workload names – its
// runtime, total or steady state – and which one did not.
func (r *Report) everyLoadWhole() (bool, string) {
	all := r.loads()
	short := 0
	first := ""
	for _, l := range all {
		if l.end == LoadWhole && l.reason != endedByReserve {
			continue
		}
		if short++; first == "" {
			first = fmt.Sprintf("client %s %s", l.client.Label, l.client.loadWords())
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

// loadWords say how a load did not reach its end.
func (c *Client) loadWords() string {
	switch c.Load {
	case LoadWhole:
		return "came to the end of its reserve " + c.after()
	case LoadInterrupted:
		return "was cut short by an operator " + c.after()
	case LoadFailed:
		return "could not go on " + c.after()
	default:
		return "did not say that its load reached its end; it lasted " + human(c.RuntimeNano)
	}
}
