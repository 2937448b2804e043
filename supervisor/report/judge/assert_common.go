package judge

import "bulkhead/supervisor/report"

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
