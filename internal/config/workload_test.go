package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/config/value"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestConsumerConfig sets everything that can be set to something that is no default.
func TestConsumerConfig(t *testing.T) {
	got := Consumer{
		ChunkSize: value.ChunkSize{{Size: 4096, Weight: 3}, {Size: 8192, Weight: 1}},
		FileSize:  value.FileSize{Min: 9000, Max: 90_000},
		Path:      "p", Direct: true, Sync: value.FileSync{Policy: value.SyncBytes, Every: 77},
		Rate: Rate{Bytes: 5, Chunks: 0.5}, Data: value.Data{Kind: value.DataDedupable, Percent: 40}, Seed: 9,
		Preallocate: true, Pattern: PatternAppend, Concurrency: 3, StartDelay: time.Second,
		ThinkTime: time.Minute,
		KeepFiles: 7, Recycle: true, Verify: VerifyContinuous, Reserve: value.Reserve{Size: 8, Percent: 6},
		OnError: OnErrorStop,
	}.Workload()
	want := workload.Consumer{
		Path: "p", ChunkSize: 8192, ChunkSizes: []workload.WeightedSize{{Bytes: 4096, Weight: 3}, {Bytes: 8192,
			Weight: 1}},
		FileSize: 90_000, MinFileSize: 9000, Direct: true, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES, SyncBytes: 77,
		RateBytes: 5, RateChunks: 0.5, Data: bulkheadv1.DataKind_DATA_KIND_DEDUPABLE, DataPercent: 40, Seed: 9,
		Preallocate: true, Pattern: bulkheadv1.Pattern_PATTERN_APPEND, Concurrency: 3, StartDelay: time.Second,
		ThinkTime: time.Minute,
		KeepFiles: 7, Recycle: true, Verify: bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS,
		Reserve: workload.Reserve{Bytes: 8, Percent: 6}, StopOnError: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestEveryChoiceIsKnown wants a value of its own for each word of the settings.
func TestEveryChoiceIsKnown(t *testing.T) {
	seen := make(map[string]string)
	note := func(word, value string, unspecified bool) {
		if unspecified || seen[value] != "" {
			t.Errorf("%s is %s, as is %q", word, value, seen[value])
		}
		seen[value] = word
	}
	for _, p := range []value.SyncPolicy{value.SyncNone, value.SyncFile, value.SyncChunk, value.SyncBytes,
		value.SyncDSync} {
		note(string(p), syncPolicy(p).String(), syncPolicy(p) == 0)
	}
	for _, k := range []value.DataKind{value.DataRandom, value.DataZeros, value.DataCompressible,
		value.DataDedupable} {
		note(string(k), dataKind(k).String(), dataKind(k) == 0)
	}
	for _, p := range []Pattern{PatternSequential, PatternRandom, PatternAppend} {
		note(string(p), pattern(p).String(), pattern(p) == 0)
	}
	for _, v := range []Verify{VerifyOff, VerifyAtRollover, VerifyAtEnd,
		VerifyContinuous} {
		note(string(v), verifyMode(v).String(), verifyMode(v) == 0)
	}
}
