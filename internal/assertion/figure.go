package assertion

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bulkhead/internal/config/value"
	"bulkhead/internal/human"
)

// Figure is something that can be asserted.
type Figure struct {
	Name string
	// Unit is how it is written; its zero value is of a figure that is asserted alone, without a
	// comparison.
	Unit Unit
	// Alone says that it is asserted alone, or can be.
	Alone bool
	// Percent says that it can be compared with a percentage, too.
	Percent bool
	// Live is how it is watched while a run goes on.
	Live Live
}

// Live is how a figure is watched while a run goes on.
type Live uint8

// The ways.
const (
	AtEnd   Live = iota // it is not: only the whole run has it
	Latency             // of what was written in a window
	Rate                // of a window, all clients at work
	Rising              // a count that only rises: since the begin, or of a window
)

// Unit is how a figure is written.
type Unit struct {
	what  string // for a person
	parse func(string) (float64, error)
	Print func(float64) string
}

var (
	inTime = Unit{"a duration such as 50ms", func(s string) (float64, error) {
		d, err := time.ParseDuration(s)
		return float64(d), err
	}, func(x float64) string { return human.Duration(int64(x)) }}
	inBytes = Unit{"a size such as 10GB", func(s string) (float64, error) {
		n, err := value.ParseSize(s)
		return float64(n), err
	}, func(x float64) string { return human.Size(uint64(x)) }}
	inRate = Unit{"a size per second such as 500MB/s", func(s string) (float64, error) {
		amount, ok := strings.CutSuffix(s, "/s")
		if !ok {
			return 0, fmt.Errorf("%q has no /s", s)
		}
		n, err := value.ParseSize(amount)
		return float64(n), err
	}, func(x float64) string { return human.Size(uint64(x)) + "/s" }}
	inCount = Unit{"a whole number", func(s string) (float64, error) {
		n, err := strconv.ParseUint(s, 10, 53)
		return float64(n), err
	}, func(x float64) string { return human.Count(uint64(x)) }}
	inRuntime = Unit{"a duration such as 20s, or a part of each client's own runtime such as 95%", inTime.parse,
		inTime.Print}
	// InPercent is how a percentage is written.
	InPercent = Unit{"a percentage such as 95%", func(s string) (float64, error) {
		number := strings.TrimSuffix(s, "%")
		if number == "" || strings.Trim(number, "0123456789.") != "" {
			return 0, fmt.Errorf("%q is not a percentage", s)
		}
		return strconv.ParseFloat(number, 64)
	}, func(x float64) string { return fmt.Sprintf("%.1f%%", x) }}
)

// Figures returns what can be asserted, in the order of the documentation.
func Figures() []Figure {
	var list []Figure
	latency := func(prefix string, live Live) {
		for _, name := range []string{"p50", "p90", "p99", "p999", "max", "mean"} {
			list = append(list, Figure{Name: prefix + name, Unit: inTime, Live: live})
		}
	}
	add := func(unit Unit, live Live, names ...string) {
		for _, name := range names {
			list = append(list, Figure{Name: name, Unit: unit, Live: live})
		}
	}
	latency("", Latency)
	for _, prefix := range []string{"response_", "create_", "sync_", "close_", "unlink_", "read_", "read_response_"} {
		latency(prefix, AtEnd)
	}
	add(inRate, AtEnd, "read_throughput")
	add(inBytes, AtEnd, "read_bytes")
	add(inCount, AtEnd, "read_errors")
	add(inRate, Rate, "throughput")
	latency("common_", AtEnd)
	add(inRate, AtEnd, "common_throughput", "common_read_throughput")
	add(InPercent, AtEnd, "overlap")
	add(inTime, AtEnd, "start_spread")
	add(inBytes, AtEnd, "bytes", "verified")
	add(inCount, AtEnd, "corrupt", "files")
	add(inCount, Rising, "errors")
	add(inCount, AtEnd, "clients", "absent")
	list = append(list, Figure{Name: "complete", Alone: true},
		Figure{Name: "runtime", Unit: inRuntime, Alone: true, Percent: true})
	add(inCount, AtEnd, "interrupted", "closed", "lost", "quarantined", "rejected", "resumes")
	add(inCount, Rising, "stalled", "missed")
	return list
}

// Names returns the names of all figures.
func Names() []string { return namesOf(Figures()) }

func namesOf(list []Figure) []string {
	names := make([]string, len(list))
	for i, f := range list {
		names[i] = f.Name
	}
	return names
}

// watched returns the names of those that are watched while a run goes on.
func watched() []string {
	return namesOf(slices.DeleteFunc(Figures(), func(f Figure) bool { return f.Live == AtEnd }))
}

// Of returns the figure of a name.
func Of(name string) (Figure, bool) {
	all := Figures()
	i := slices.IndexFunc(all, func(f Figure) bool { return f.Name == name })
	if i < 0 {
		return Figure{}, false
	}
	return all[i], true
}
