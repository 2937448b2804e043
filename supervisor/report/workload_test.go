package report

import (
	"encoding/json"
	"math"
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

func TestWorkloadsInWords(t *testing.T) {
	for want, spec := range map[string]*bulkheadv1.ConsumerSpec{
		"files of 64 MiB in chunks of 1 MiB": {ChunkSizeBytes: 1 << 20, FileSizeBytes: 64 << 20},
		"files of 1 GB in chunks of 100 kB, appended; O_DSYNC; zeros; verified at the end; in /mnt": {
			ChunkSizeBytes: 100e3, FileSizeBytes: 1e9, Pattern: bulkheadv1.Pattern_PATTERN_APPEND, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC,
			Data: &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_ZEROS}, Verify: bulkheadv1.VerifyMode_VERIFY_MODE_END, Path: "/mnt"},
		"files of 1.23 GB in chunks of 4 KiB; no sync; in /mnt": {
			ChunkSizeBytes: 4096, FileSizeBytes: 1_234_567_891, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_NONE, Path: "/mnt/bulkhead-3f/consumer-0"},
	} {
		if got := consumerOf(spec).Text; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Consumers that write the same are one line, wherever their numbers are.
func TestConsumersThatWriteTheSame(t *testing.T) {
	var w bulkheadv1.Workload
	for i := range uint32(9) {
		spec := &bulkheadv1.ConsumerSpec{Index: i, Path: "/mnt/bulkhead-1/consumer-" + string(rune('0'+i)), ChunkSizeBytes: 4096, FileSizeBytes: 8192}
		if i == 4 || i == 6 {
			spec.Direct = true
		}
		w.Consumers = append(w.Consumers, spec)
	}
	out := workloadOf(&w)
	got := out.consumerLines()
	if len(got) != 2 || got[0].who != "0…3, 5, 7…8" || got[1].who != "4, 6" {
		t.Errorf("%+v", got)
	}
}

// Numbers that are none do not reach the report.
func TestWorkloadWithoutSense(t *testing.T) {
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -3} {
		w := workloadOf(&bulkheadv1.Workload{StopWhen: &bulkheadv1.SteadyState{MaxVariationPercent: x, WindowNano: -1},
			Consumers: []*bulkheadv1.ConsumerSpec{{RateChunksPerSecond: x, ChunkSizes: make([]*bulkheadv1.WeightedSize, maxChunkSizes+9), Data: &bulkheadv1.DataSpec{Percent: 4e9}}}})
		if _, err := json.Marshal(w); err != nil {
			t.Errorf("%v: %v", x, err)
		}
		c := w.Consumers[0]
		if c.RateChunksPerSecond != 0 || w.StopWhen.MaxVariationPercent != 0 || w.StopWhen.WindowNano != 0 || c.Data.Percent != 100 || len(c.ChunkSizes) != maxChunkSizes {
			t.Errorf("%v: %+v", x, w)
		}
	}
}

// Every knob that differs between two runs is pointed out.
func TestCompareNamesEveryKnob(t *testing.T) {
	a, b := foldAll(t, rated(t)), foldAll(t, rated(t))
	w := &b.Clients[0].Workload
	w.RampNano, w.TotalBytes, w.StopWhen = 7, 7, nil
	w.Consumers[0] = consumerOf(&bulkheadv1.ConsumerSpec{Path: "/elsewhere", ChunkSizeBytes: 7, FileSizeBytes: 7, Concurrency: 9, StartDelayNano: 7, ThinkTimeNano: 7, Direct: true, ReserveInodes: 7})
	named := make(map[string]bool)
	for _, d := range Compare(a, b).Configured {
		named[d.Name] = true
	}
	for _, k := range knobs() {
		if !named[k.name] {
			t.Errorf("%s is not pointed out", k.name)
		}
	}
	for _, name := range []string{"ramp", "ends at", "ends when steady"} {
		if !named[name] {
			t.Errorf("%s is not pointed out", name)
		}
	}
}
