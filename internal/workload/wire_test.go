package workload

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// everything returns a consumer without a zero setting, but for what the wire lacks.
func everything() Consumer {
	return Consumer{
		Path: "/p", ChunkSize: 8192, ChunkSizes: []WeightedSize{{4096, 3}, {8192, 1}}, FileSize: 1 << 20,
		MinFileSize: 9000, Direct: true, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES, SyncBytes: 77, RateBytes: 5e6,
		RateChunks: 0.5, Data: bulkheadv1.DataKind_DATA_KIND_DEDUPABLE, DataPercent: 40, Seed: 9, Preallocate: true,
		Pattern: bulkheadv1.Pattern_PATTERN_SEQUENTIAL, Concurrency: 3, StartDelay: time.Second,
		ThinkTime: time.Millisecond, KeepFiles: 7, Recycle: true,
		Verify: bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS, StopOnError: true, Readers: 2,
		Read: Read{RateBytes: 6e6, RateOps: 0.25, Pattern: bulkheadv1.Pattern_PATTERN_RANDOM, Size: 12288,
			Verify: true, Of: bulkheadv1.ReadOf_READ_OF_NEIGHBOUR},
	}
}

// TestWireKeepsPatterns has the patterns with which not everything can be set.
func TestWireKeepsPatterns(t *testing.T) {
	for _, pattern := range []bulkheadv1.Pattern{bulkheadv1.Pattern_PATTERN_RANDOM,
		bulkheadv1.Pattern_PATTERN_APPEND} {
		want := everything()
		want.Pattern, want.Recycle, want.ChunkSizes = pattern, false, nil
		if found := want.Check(); len(found) > 0 {
			t.Errorf("%v: %v", pattern, found)
		}
		if diff := cmp.Diff(want, Of(want.Wire(0))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestWireKeepsEverySetting(t *testing.T) {
	want := everything()
	for i := range reflect.ValueOf(want).NumField() {
		name := reflect.TypeOf(want).Field(i).Name
		if reflect.ValueOf(want).Field(i).IsZero() && name != "Reserve" && name != "ReserveInodes" {
			t.Errorf("%s has its zero value in this test", name)
		}
	}
	if diff := cmp.Diff(want, Of(want.Wire(4))); diff != "" {
		t.Error(diff)
	}
	if got := want.Wire(4).GetIndex(); got != 4 {
		t.Errorf("index %d; want 4", got)
	}
}
