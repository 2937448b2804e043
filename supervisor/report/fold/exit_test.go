package fold

import (
	"encoding/json"
	"math"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/words"
)

// A consumer that did what it was told to did not crash; one that a signal ended did.
func TestStoppedAtAnErrorIsNoCrash(t *testing.T) {
	const failed = bulkheadv1.StopReason_STOP_REASON_FAILED
	what := exitOf(&bulkheadv1.ProcessExit{Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH,
		Cause: "stopped at its first error, as on_error says"}, new(axis).exit)
	if what.Class != report.ExitCrash {
		t.Errorf("what alone make it %s; want %s", what.Class, report.ExitCrash)
	}
	for want, e := range map[string]*bulkheadv1.ProcessExit{
		report.ExitStopped: {Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH, ExitCode: 1, Cause: "in any what",
			EndedWork: failed},
		report.ExitCrash: {Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH, Signal: 11,
			Cause: "stopped at its first error, as on_error says", EndedWork: failed},
		report.ExitKilled: {Class: bulkheadv1.ExitClass_EXIT_CLASS_KILLED, EndedWork: failed},
	} {
		got := exitOf(e, new(axis).exit)
		if got.Class != want || !words.WorkerFailed(&report.Process{Kind: report.KindConsumer, Exit: &got}) &&
			want == report.ExitStopped {
			t.Errorf("%v: class %s; want %s", e, got.Class, want)
		}
	}
}

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
