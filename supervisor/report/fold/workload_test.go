package fold

import (
	"encoding/json"
	"math"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
)

// Numbers that are none do not reach the report.
func TestWorkloadWithoutSense(t *testing.T) {
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -3} {
		w := WorkloadOf(&bulkheadv1.Workload{StopWhen: &bulkheadv1.SteadyState{MaxVariationPercent: x, WindowNano: -1},
			Consumers: []*bulkheadv1.ConsumerSpec{
				{RateChunksPerSecond: x, ChunkSizes: make([]*bulkheadv1.WeightedSize, report.MaxChunkSizes+9),
					Data: &bulkheadv1.DataSpec{Percent: 4e9}}}})
		if _, err := json.Marshal(w); err != nil {
			t.Errorf("%v: %v", x, err)
		}
		c := w.Consumers[0]
		if c.RateChunksPerSecond != 0 || w.StopWhen.MaxVariationPercent != 0 || w.StopWhen.WindowNano != 0 ||
			c.Data.Percent != 100 || len(c.ChunkSizes) != report.MaxChunkSizes {
			t.Errorf("%v: %+v", x, w)
		}
	}
}
