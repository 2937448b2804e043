package judge

import "bulkhead/supervisor/report"

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
