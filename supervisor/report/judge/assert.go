package judge

import (
	"slices"

	"bulkhead/internal/assertion"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// Figure is something that can be asserted of a report.
type Figure struct {
	assertion.Figure
	Of func(*report.Report) (value float64, known bool)
	// Common says that it is of the common window.
	Common bool
	// unknown is why there is no value.
	unknown string
	// alone reports whether it holds without a comparison, and what is; nil if it must be compared.
	alone func(*report.Report) (holds bool, value string)
	// percent is the figure that is compared with a percentage instead; nil if there is none.
	percent *Figure
}

// Figures returns what can be asserted, in the order of the documentation.
func Figures() []Figure {
	counted := func(name string, of func(*report.Report) uint64) Figure {
		return Figure{Figure: named(name),
			Of: func(r *report.Report) (float64, bool) { return float64(of(r)), true }}
	}
	outcome := func(name, outcome string) Figure {
		return counted(name, func(r *report.Report) uint64 { return r.Outcomes(outcome) })
	}
	list := latencyFigures("", nothingWritten, func(r *report.Report) *report.Latency { return &r.Totals.ChunkWrite })
	list = append(list, latencyFigures("response_", "no consumer had a rate",
		func(r *report.Report) *report.Latency { return r.Totals.Response })...)
	list = append(list, latencyFigures("create_", "no file was created",
		func(r *report.Report) *report.Latency { return r.Totals.Phases.Create })...)
	list = append(list, latencyFigures("sync_", "nothing was synced",
		func(r *report.Report) *report.Latency { return r.Totals.Phases.Sync })...)
	list = append(list, latencyFigures("close_", "no file was closed",
		func(r *report.Report) *report.Latency { return r.Totals.Phases.Close })...)
	list = append(list, latencyFigures("unlink_", "no file was removed",
		func(r *report.Report) *report.Latency { return r.Totals.Phases.Unlink })...)
	list = append(list, readFigures()...)
	list = append(list, Figure{Figure: named("throughput"), Of: func(r *report.Report) (float64, bool) {
		return float64(r.Totals.BytesPerSecond), r.Totals.Bytes > 0
	}, unknown: nothingWritten})
	list = append(list, commonFigures()...)
	return append(list,
		Figure{Figure: named("bytes"),
			Of: func(r *report.Report) (float64, bool) { return float64(r.Totals.Bytes), true }},
		Figure{Figure: named("verified"),
			Of: func(r *report.Report) (float64, bool) { return float64(r.Totals.VerifiedBytes), true }},
		Figure{Figure: named("corrupt"), Of: func(r *report.Report) (float64, bool) {
			return float64(max(r.Totals.CorruptBlocks, r.Totals.UnverifiedFiles)), r.Totals.VerifiedBytes > 0 ||
				reads(r).VerifiedBytes > 0 || words.RunBadContent(r) != ""
		}, unknown: "nothing was verified"},
		counted("files", func(r *report.Report) uint64 { return r.Totals.Files }),
		counted("errors", func(r *report.Report) uint64 { return r.Totals.Errors }),
		counted("clients", func(r *report.Report) uint64 { return uint64(len(r.Clients)) }),
		counted("absent", func(r *report.Report) uint64 {
			return uint64(r.Run.ExpectedClients - min(r.Run.ExpectedClients, r.Run.JoinedClients))
		}),
		Figure{Figure: named("complete"), alone: func(r *report.Report) (bool, string) {
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
func latencyFigures(prefix, unknown string, of func(*report.Report) *report.Latency) []Figure {
	one := func(name string, value func(*report.Latency) int64) Figure {
		return Figure{Figure: named(prefix + name), Of: func(r *report.Report) (float64, bool) {
			l := of(r)
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

// named returns what package assertion knows of a figure.
func named(name string) assertion.Figure {
	f, known := assertion.Of(name)
	if !known {
		panic("judge: no figure is called " + name) // a test asks for all
	}
	return f
}

// figureOf returns the figure of an assertion.
func figureOf(a assertion.Assertion) *Figure {
	all := Figures()
	of := &all[slices.IndexFunc(all, func(f Figure) bool { return f.Name == a.Name })]
	if a.Percent {
		return of.percent
	}
	return of
}

// Check reports whether the report keeps a, as to the whole run.
func Check(r *report.Report, a assertion.Assertion) Result {
	of := figureOf(a)
	if a.Operator == "" {
		holds, value := of.alone(r)
		return Result{Assertion: a, Holds: holds, Value: value}
	}
	value, known := of.Of(r)
	if !known {
		return Result{Assertion: a, Value: "not known: " + of.unknown}
	}
	return Result{Assertion: a, Holds: a.Keeps(value), Value: of.Unit.Print(value)}
}

// nothingRead is why there is no latency and no throughput of reads.
const nothingRead = "nothing was read beside the writing"

// readFigures returns what can be asserted of what was read beside the writing.
func readFigures() []Figure {
	list := latencyFigures("read_", nothingRead, func(r *report.Report) *report.Latency {
		if r.Totals.Reads == nil {
			return nil
		}
		return &r.Totals.Reads.Latency
	})
	list = append(list, latencyFigures("read_response_", "no readers had a rate",
		func(r *report.Report) *report.Latency {
			if r.Totals.Reads == nil {
				return nil
			}
			return r.Totals.Reads.Response
		})...)
	return append(list,
		Figure{Figure: named("read_throughput"), Of: func(r *report.Report) (float64, bool) {
			return float64(reads(r).BytesPerSecond), reads(r).Bytes > 0
		}, unknown: nothingRead},
		Figure{Figure: named("read_bytes"),
			Of: func(r *report.Report) (float64, bool) { return float64(reads(r).Bytes), true }},
		Figure{Figure: named("read_errors"),
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
