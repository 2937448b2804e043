package client

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/protocol"
	"bulkhead/internal/testing/scripted"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// everything returns a consumer with every setting as far from its default as the others let it.
func everything(path string, sizes int) workload.Consumer {
	c := workload.Consumer{
		Path: path, ChunkSize: 1 << 30, FileSize: 1 << 44, MinFileSize: 1 << 43, Direct: true,
		Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES, SyncBytes: 1 << 43, RateBytes: 1 << 40, RateChunks: 1e9 - 0.1,
		Data: bulkheadv1.DataKind_DATA_KIND_DEDUPABLE, DataPercent: 99, Seed: 1<<64 - 1, Preallocate: true,
		Pattern: bulkheadv1.Pattern_PATTERN_SEQUENTIAL, Concurrency: 1, StartDelay: 300 * 24 * time.Hour,
		ThinkTime: 900 * time.Microsecond,
		KeepFiles: 1_000_000, Recycle: true, Verify: bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS,
		Reserve: workload.Reserve{Bytes: 1 << 40}, StopOnError: true,
	}
	for i := range sizes {
		c.ChunkSizes = append(c.ChunkSizes, workload.WeightedSize{Bytes: 1<<30 - 512*uint64(i), Weight: 999_999})
	}
	return c
}

func helloWith(t *testing.T, consumers, pathBytes, sizes int) *bulkheadv1.Hello {
	t.Helper()
	cfg := scripted.Config()
	cfg.Runtime, cfg.Ramp, cfg.TotalBytes, cfg.Steady = 365*24*time.Hour, time.Hour, 1<<50, spec.Steady{
		Window: time.Hour, MaxVariation: 5}
	for i := range consumers {
		name := fmt.Sprintf("/mnt/%d/", i)
		cfg.Consumers = append(cfg.Consumers, everything(name+strings.Repeat("p", pathBytes-len(name)), sizes))
	}
	cfg, err := cfg.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	id := spec.NewSecret()
	dirs := site.New(cfg, id.ID())
	for i := range dirs.Reserves {
		dirs.Reserves[i] = site.Kept{Bytes: 1 << 40, Inodes: 1 << 40}
	}
	return helloOf(cfg, id, dirs)
}

// TestHelloOfManyConsumersIsAccepted describes the most consumers, each with all that can be said
// of one.
func TestHelloOfManyConsumersIsAccepted(t *testing.T) {
	h := helloWith(t, 1024, 400, 16)
	if err := checkHelloSize(h); err != nil {
		t.Error(err)
	}
	if wrong := protocol.CheckHello(h); wrong != nil {
		t.Error(wrong)
	}
}

func TestHelloThatIsTooLong(t *testing.T) {
	err := checkHelloSize(helloWith(t, 1024, 3800, 1))
	if !errors.Is(err, spec.ErrConfig) ||
		!strings.Contains(err.Error(), "the description of its 1024 consumers has 4.") ||
		!strings.Contains(err.Error(), "use shorter paths") {
		t.Errorf("checkHelloSize = %v", err)
	}
}

func TestSpecSaysEverything(t *testing.T) {
	got := helloWith(t, 1, 20, 2).GetWorkload()
	want := &bulkheadv1.Workload{
		RuntimeNano: int64(365 * 24 * time.Hour), HeartbeatIntervalNano: 2e9, HeartbeatTimeoutNano: 1e9,
		MonitorIntervalNano: 1e9, ProgressIntervalNano: 1e9,
		RampNano: int64(time.Hour), TotalBytes: 1 << 50,
		StopWhen: &bulkheadv1.SteadyState{WindowNano: int64(time.Hour), MaxVariationPercent: 5},
		Consumers: []*bulkheadv1.ConsumerSpec{{
			Path: got.GetConsumers()[0].GetPath(), ChunkSizeBytes: 1 << 30, FileSizeBytes: 1 << 44,
			MinFileSizeBytes: 1 << 43,
			ChunkSizes: []*bulkheadv1.WeightedSize{{SizeBytes: 1 << 30, Weight: 999_999},
				{SizeBytes: 1<<30 - 512, Weight: 999_999}},
			KeepFiles: 1_000_000, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES, SyncBytes: 1 << 43, Direct: true,
			RateBytesPerSecond: 1 << 40, RateChunksPerSecond: 1e9 - 0.1,
			Data: &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_DEDUPABLE, Percent: 99,
				Seed: 1<<64 - 1},
			Preallocate: true, Pattern: bulkheadv1.Pattern_PATTERN_SEQUENTIAL, Concurrency: 1,
			StartDelayNano: int64(300 * 24 * time.Hour), ThinkTimeNano: 900_000,
			Verify: bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS, StopOnError: true, Recycle: true,
			ReserveBytes: 1 << 40, ReserveInodes: 1 << 40,
		}},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

// TestSpecSaysWhatExcludesOtherSettings has the settings that TestSpecSaysEverything must leave at
// their defaults.
func TestSpecSaysWhatExcludesOtherSettings(t *testing.T) {
	for _, pattern := range []bulkheadv1.Pattern{bulkheadv1.Pattern_PATTERN_RANDOM,
		bulkheadv1.Pattern_PATTERN_APPEND} {
		c := scripted.Load("/p", 4096, 8192, 0)
		c.Pattern, c.Concurrency = pattern, 256
		cfg, err := scripted.Config(c).Resolve()
		if err != nil {
			t.Fatal(err)
		}
		got := specOf(0, cfg.Consumers[0], &site.Folders{Consumers: []string{"/p/x"}, Reserves: make([]site.Kept, 1)})
		want := &bulkheadv1.ConsumerSpec{
			Path: "/p/x", ChunkSizeBytes: 4096, FileSizeBytes: 8192, Sync: bulkheadv1.SyncPolicy_SYNC_POLICY_NONE,
			Data:    &bulkheadv1.DataSpec{Kind: bulkheadv1.DataKind_DATA_KIND_RANDOM},
			Pattern: pattern, Concurrency: 256, Verify: bulkheadv1.VerifyMode_VERIFY_MODE_OFF,
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSpecLeavesOutWhatIsOne(t *testing.T) {
	c := scripted.Load("/p", 4096, 8192, 0)
	c.ChunkSizes = []workload.WeightedSize{{Bytes: 4096, Weight: 1}}
	c.MinFileSize = 8192
	cfg, err := scripted.Config(c).Resolve()
	if err != nil {
		t.Fatal(err)
	}
	spec := specOf(0, cfg.Consumers[0], &site.Folders{Consumers: []string{"/p/x"}, Reserves: make([]site.Kept, 1)})
	if spec.GetChunkSizeBytes() != 4096 || len(spec.GetChunkSizes()) != 0 || spec.GetMinFileSizeBytes() != 0 ||
		spec.GetConcurrency() != 1 {
		t.Errorf("spec = %v", spec)
	}
}
