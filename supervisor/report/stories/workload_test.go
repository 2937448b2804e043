package stories

import (
	"testing"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/words"
)

func TestWorkloadsInWords(t *testing.T) {
	for want, spec := range map[string]*bulkheadv1.ConsumerSpec{
		"files of 64 MiB in chunks of 1 MiB": {ChunkSizeBytes: 1 << 20, FileSizeBytes: 64 << 20},
		"files of 1 GB in chunks of 100 kB, appended; O_DSYNC; zeros; verified at the end; in /mnt": {
			ChunkSizeBytes: 100e3, FileSizeBytes: 1e9, Pattern: bulkheadv1.Pattern_PATTERN_APPEND,
			Sync:   bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC,
			Data:   &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_ZEROS},
			Verify: bulkheadv1.VerifyMode_VERIFY_MODE_END, Path: "/mnt"},
		"files of 1.23 GB in chunks of 4 KiB; no sync; in /mnt": {
			ChunkSizeBytes: 4096, FileSizeBytes: 1_234_567_891, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_NONE,
			Path: "/mnt/bulkhead-3f/consumer-0"},
	} {
		if got := fold.ConsumerOf(spec).Text; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Consumers that write the same are one line, wherever their numbers are.
func TestConsumersThatWriteTheSame(t *testing.T) {
	var w bulkheadv1.Workload
	for i := range uint32(9) {
		spec := &bulkheadv1.ConsumerSpec{Index: i, Path: "/mnt/bulkhead-1/consumer-" + string(rune('0'+i)),
			ChunkSizeBytes: 4096, FileSizeBytes: 8192}
		if i == 4 || i == 6 {
			spec.Direct = true
		}
		w.Consumers = append(w.Consumers, spec)
	}
	out := fold.WorkloadOf(&w)
	got := words.ConsumerLines(&out)
	if len(got) != 2 || got[0].Who != "0…3, 5, 7…8" || got[1].Who != "4, 6" {
		t.Errorf("%+v", got)
	}
}
