package judge

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bulkhead/internal/config/value"
	"bulkhead/internal/human"
	"bulkhead/internal/spelling"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// Figure is something that can be asserted of a report.
type Figure struct {
	Name string
	Unit Unit
	Of   func(*report.Report) (value float64, known bool)
	// unknown is why there is no value.
	unknown string
	// alone reports whether it holds without a comparison, and what is; nil if it must be compared.
	alone func(*report.Report) (holds bool, value string)
	// percent is the figure that is compared with a percentage instead; nil if there is none.
	percent *Figure
}

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
)

// Figures returns what can be asserted, in the order of the documentation.
func Figures() []Figure {
	counted := func(name string, of func(*report.Report) uint64) Figure {
		return Figure{Name: name, Unit: inCount,
			Of: func(r *report.Report) (float64, bool) { return float64(of(r)), true }}
	}
	outcome := func(name, outcome string) Figure {
		return counted(name, func(r *report.Report) uint64 { return r.Outcomes(outcome) })
	}
	list := latencyFigures("", nothingWritten, func(w *report.Writes) *report.Latency { return &w.ChunkWrite })
	list = append(list, latencyFigures("response_", "no consumer had a rate",
		func(w *report.Writes) *report.Latency { return w.Response })...)
	list = append(list, latencyFigures("create_", "no file was created",
		func(w *report.Writes) *report.Latency { return w.Phases.Create })...)
	list = append(list, latencyFigures("sync_", "nothing was synced",
		func(w *report.Writes) *report.Latency { return w.Phases.Sync })...)
	list = append(list, latencyFigures("close_", "no file was closed",
		func(w *report.Writes) *report.Latency { return w.Phases.Close })...)
	list = append(list, latencyFigures("unlink_", "no file was removed",
		func(w *report.Writes) *report.Latency { return w.Phases.Unlink })...)
	list = append(list, readFigures()...)
	return append(list,
		Figure{Name: "throughput", Unit: inRate,
			Of: func(r *report.Report) (float64, bool) {
				return float64(r.Totals.BytesPerSecond),
					r.Totals.Bytes > 0
			},
			unknown: nothingWritten},
		Figure{Name: "bytes", Unit: inBytes,
			Of: func(r *report.Report) (float64, bool) { return float64(r.Totals.Bytes), true }},
		Figure{Name: "verified", Unit: inBytes,
			Of: func(r *report.Report) (float64, bool) { return float64(r.Totals.VerifiedBytes), true }},
		Figure{Name: "corrupt", Unit: inCount, Of: func(r *report.Report) (float64, bool) {
			return float64(max(r.Totals.CorruptBlocks, r.Totals.UnverifiedFiles)), r.Totals.VerifiedBytes > 0 ||
				reads(r).VerifiedBytes > 0 || words.RunBadContent(r) != ""
		}, unknown: "nothing was verified"},
		counted("files", func(r *report.Report) uint64 { return r.Totals.Files }),
		counted("errors", func(r *report.Report) uint64 { return r.Totals.Errors }),
		counted("clients", func(r *report.Report) uint64 { return uint64(len(r.Clients)) }),
		counted("absent", func(r *report.Report) uint64 {
			return uint64(r.Run.ExpectedClients - min(r.Run.ExpectedClients, r.Run.JoinedClients))
		}),
		Figure{Name: "complete", alone: func(r *report.Report) (bool, string) {
			return r.Complete(),
				"the run is " + string(r.Verdict.Word)
		}},
		runtimeFigure(),
		counted("interrupted", words.CutShort),
		outcome("closed", report.OutcomeClosed),
		outcome("lost", report.OutcomeLost),
		outcome("quarantined", report.OutcomeQuarantined),
		counted("rejected", func(r *report.Report) uint64 {
			return r.Outcomes(report.OutcomeRejected) + uint64(len(r.Rejections)) + r.RejectionsLeftOut
		}),
		counted("resumes", func(r *report.Report) uint64 { return r.Totals.Resumes }),
		counted("stalled", func(r *report.Report) uint64 { return r.Totals.Heartbeats.Stalled }),
		counted("missed", func(r *report.Report) uint64 { return r.Totals.Heartbeats.Missed }),
	)
}

// nothingWritten is why there is no latency and no throughput.
const nothingWritten = "nothing was written"

// latencyFigures returns what can be asserted of one latency, all clients together.
func latencyFigures(prefix, unknown string, of func(*report.Writes) *report.Latency) []Figure {
	one := func(name string, value func(*report.Latency) int64) Figure {
		return Figure{Name: prefix + name, Unit: inTime, Of: func(r *report.Report) (float64, bool) {
			l := of(&r.Totals.Writes)
			if !l.Known() {
				return 0, false
			}
			return float64(value(l)), true
		}, unknown: unknown}
	}
	return []Figure{
		one("p50", func(l *report.Latency) int64 { return l.P50Nano }),
		one("p90", func(l *report.Latency) int64 { return l.P90Nano }),
		one("p99", func(l *report.Latency) int64 { return l.P99Nano }),
		one("p999", func(l *report.Latency) int64 { return l.P999Nano }),
		one("max", func(l *report.Latency) int64 { return l.MaxNano }),
		one("mean", func(l *report.Latency) int64 { return l.MeanNano }),
	}
}

// AssertableNames returns the names that ParseAssertion knows.
func AssertableNames() []string {
	var names []string
	for _, f := range Figures() {
		names = append(names, f.Name)
	}
	return names
}

// operators are those of an assertion; longer ones first.
var operators = []string{"<=", ">=", "==", "!=", "<", ">"}

// ParseAssertion reads "NAME OPERATOR VALUE", or the NAME alone of what can be asserted so; spaces do not matter, and
// p99.9 is p999. An error names the
// character, from 1, at which the text stops making sense, and what would be valid there.
func ParseAssertion(text string) (Assertion, error) {
	bad := func(at int, format string, args ...any) (Assertion, error) {
		return Assertion{}, fmt.Errorf("%q: at character %d: %s", text, len([]rune(text[:at]))+1,
			fmt.Sprintf(format, args...))
	}
	begin := len(text) - len(strings.TrimLeft(text, " \t"))
	end := begin
	for end < len(text) && !strings.ContainsRune(" \t<>=!", rune(text[end])) {
		end++
	}
	name := strings.Replace(text[begin:end], "p99.9", "p999", 1) // as it is called elsewhere
	all := Figures()
	i := slices.IndexFunc(all, func(f Figure) bool { return f.Name == name })
	if i < 0 {
		return bad(begin, "%q is nothing to assert; %suse %s", name, spelling.Meant(name, AssertableNames()),
			strings.Join(AssertableNames(), ", "))
	}
	rest := strings.TrimLeft(text[end:], " \t")
	at := len(text) - len(rest)
	of := &all[i]
	if rest == "" && of.alone != nil {
		return Assertion{name: name, figure: of}, nil
	}
	if of.Of == nil {
		return bad(at, "%s is asserted alone, without a comparison", name)
	}
	operator := ""
	for _, o := range operators {
		if strings.HasPrefix(rest, o) {
			operator = o
			break
		}
	}
	if operator == "" {
		return bad(at, "a comparison is missing; use <, <=, >, >=, == or !=")
	}
	limit := strings.Join(strings.Fields(rest[len(operator):]), "")
	at = len(text) - len(strings.TrimLeft(rest[len(operator):], " \t"))
	if of.percent != nil && strings.HasSuffix(limit, "%") {
		of = of.percent
	}
	value, err := of.Unit.parse(limit)
	if err != nil || value < 0 {
		return bad(at, "%q is not a value of %s; use %s", limit, name, all[i].Unit.what)
	}
	return Assertion{name: name, operator: operator, limit: limit, figure: of, value: value}, nil
}

// Check reports whether the report keeps a.
func Check(r *report.Report, a Assertion) Result {
	if a.operator == "" {
		holds, value := a.figure.alone(r)
		return Result{Assertion: a, Holds: holds, Value: value}
	}
	value, known := a.figure.Of(r)
	if !known {
		return Result{Assertion: a, Value: "not known: " + a.figure.unknown}
	}
	return Result{Assertion: a, Holds: compares(value, a.operator, a.value), Value: a.figure.Unit.Print(value)}
}

func compares(x float64, operator string, y float64) bool {
	switch operator {
	case "<":
		return x < y
	case "<=":
		return x <= y
	case ">":
		return x > y
	case ">=":
		return x >= y
	case "!=":
		return x != y
	default:
		return x == y
	}
}

// nothingRead is why there is no latency and no throughput of reads.
const nothingRead = "nothing was read beside the writing"

// readFigures returns what can be asserted of what was read beside the writing.
func readFigures() []Figure {
	list := latencyFigures("read_", nothingRead, func(w *report.Writes) *report.Latency {
		if w.Reads == nil {
			return nil
		}
		return &w.Reads.Latency
	})
	list = append(list, latencyFigures("read_response_", "no readers had a rate",
		func(w *report.Writes) *report.Latency {
			if w.Reads == nil {
				return nil
			}
			return w.Reads.Response
		})...)
	return append(list,
		Figure{Name: "read_throughput", Unit: inRate, Of: func(r *report.Report) (float64, bool) {
			return float64(reads(r).BytesPerSecond), reads(r).Bytes > 0
		}, unknown: nothingRead},
		Figure{Name: "read_bytes", Unit: inBytes,
			Of: func(r *report.Report) (float64, bool) { return float64(reads(r).Bytes), true }},
		Figure{Name: "read_errors", Unit: inCount,
			Of: func(r *report.Report) (float64, bool) { return float64(reads(r).Errors), true }},
	)
}

// reads returns what all clients read beside the writing.
func reads(r *report.Report) report.Reads {
	if r.Totals.Reads == nil {
		return report.Reads{}
	}
	return *r.Totals.Reads
}
