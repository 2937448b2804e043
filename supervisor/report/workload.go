package report

import (
	"math"
	"slices"

	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Workload is what the client said it was going to do.
type Workload struct {
	RuntimeNano           int64 `json:"runtime_nano"`
	HeartbeatIntervalNano int64 `json:"heartbeat_interval_nano"`
	HeartbeatTimeoutNano  int64 `json:"heartbeat_timeout_nano"`
	MonitorIntervalNano   int64 `json:"monitor_interval_nano"`
	ProgressIntervalNano  int64 `json:"progress_interval_nano"`
	// RampNano is the time over which the consumers begin, one after the other.
	RampNano int64 `json:"ramp_nano"`
	// TotalBytes end the load when they are written; 0 is no limit.
	TotalBytes uint64 `json:"total_bytes"`
	// StopWhen is when the load counts as steady and ends; null if it does not for that.
	StopWhen  *SteadyState `json:"stop_when"`
	Consumers []Consumer   `json:"consumers"`
}

// SteadyState is when a load counts as steady: the coefficient of variation of its
// throughput over the window is at most the limit.
type SteadyState struct {
	WindowNano          int64   `json:"window_nano"`
	MaxVariationPercent float64 `json:"max_variation_percent"`
}

// Consumer is what one consumer writes.
type Consumer struct {
	Index uint32 `json:"index"`
	Path  string `json:"path"`
	// ChunkSizeBytes and FileSizeBytes are the largest ones where there are several.
	ChunkSizeBytes uint64 `json:"chunk_size_bytes"`
	FileSizeBytes  uint64 `json:"file_size_bytes"`
	// ChunkSizes are the sizes that are drawn from; empty for ChunkSizeBytes alone.
	ChunkSizes []WeightedSize `json:"chunk_sizes"`
	// MinFileSizeBytes is where the range of file sizes begins; 0 for FileSizeBytes alone.
	MinFileSizeBytes uint64 `json:"min_file_size_bytes"`
	// KeepFiles is 0 for all.
	KeepFiles uint32 `json:"keep_files"`
	// Recycle says that the oldest file is written over in place.
	Recycle bool `json:"recycle"`
	// Sync is "none", "file", "chunk", "bytes", "dsync" or ""; SyncBytes go with "bytes".
	Sync      string `json:"sync"`
	SyncBytes uint64 `json:"sync_bytes"`
	Direct    bool   `json:"direct"`
	// The rates are 0 for no limit.
	RateBytesPerSecond  uint64   `json:"rate_bytes_per_second"`
	RateChunksPerSecond float64  `json:"rate_chunks_per_second"`
	Data                DataSpec `json:"data"`
	Preallocate         bool     `json:"preallocate"`
	// Pattern is "sequential", "random", "append" or "".
	Pattern string `json:"pattern"`
	// Concurrency is how many writers it has; 0 is 1.
	Concurrency    uint32 `json:"concurrency"`
	StartDelayNano int64  `json:"start_delay_nano"`
	ThinkTimeNano  int64  `json:"think_time_nano"`
	// Verify is "off", "at-rollover", "at-end", "continuous" or "".
	Verify       string `json:"verify"`
	StopOnError  bool   `json:"stop_on_error"`
	ReserveBytes uint64 `json:"reserve_bytes"`
	// ReserveInodes is what it leaves of them free; 0 is none, or no limit.
	ReserveInodes uint64 `json:"reserve_inodes,omitempty"`
	// Text says all of it but the index in one line.
	Text string `json:"text"`
}

// WeightedSize is one size of several, and how often it is drawn relative to the others.
type WeightedSize struct {
	SizeBytes uint64 `json:"size_bytes"`
	Weight    uint32 `json:"weight"`
}

// DataSpec is what chunks are filled with.
type DataSpec struct {
	// Kind is "random", "zeros", "compressible", "dedupable" or "".
	Kind string `json:"kind"`
	// Percent is the part that is compressible or dedupable.
	Percent uint32 `json:"percent"`
	// Seed is 0 for one of its own for each run.
	Seed Seed `json:"seed"`
}

func workloadOf(w *bulkheadv1.Workload) Workload {
	list := w.GetConsumers()
	consumers := make([]Consumer, 0, min(len(list), maxProcesses))
	for _, spec := range list[:min(len(list), maxProcesses)] {
		consumers = append(consumers, consumerOf(spec))
	}
	out := Workload{
		RuntimeNano:           durationOrNone(w.GetRuntimeNano()),
		HeartbeatIntervalNano: durationOrNone(w.GetHeartbeatIntervalNano()),
		HeartbeatTimeoutNano:  durationOrNone(w.GetHeartbeatTimeoutNano()),
		MonitorIntervalNano:   durationOrNone(w.GetMonitorIntervalNano()),
		ProgressIntervalNano:  durationOrNone(w.GetProgressIntervalNano()),
		RampNano:              durationOrNone(w.GetRampNano()),
		TotalBytes:            w.GetTotalBytes(),
		Consumers:             consumers,
	}
	if s := w.GetStopWhen(); s != nil {
		out.StopWhen = &SteadyState{durationOrNone(s.GetWindowNano()), numberOrNone(s.GetMaxVariationPercent())}
	}
	return out
}

func consumerOf(spec *bulkheadv1.ConsumerSpec) Consumer {
	c := Consumer{
		Index:               spec.GetIndex(),
		Path:                clean(pathname.Of(spec), maxText),
		ChunkSizeBytes:      spec.GetChunkSizeBytes(),
		FileSizeBytes:       spec.GetFileSizeBytes(),
		ChunkSizes:          []WeightedSize{},
		MinFileSizeBytes:    spec.GetMinFileSizeBytes(),
		KeepFiles:           spec.GetKeepFiles(),
		Recycle:             spec.GetRecycle(),
		Sync:                syncOf(spec.GetSync()),
		SyncBytes:           spec.GetSyncBytes(),
		Direct:              spec.GetDirect(),
		RateBytesPerSecond:  spec.GetRateBytesPerSecond(),
		RateChunksPerSecond: numberOrNone(spec.GetRateChunksPerSecond()),
		Data:                DataSpec{dataOf(spec.GetData().GetKind()), min(spec.GetData().GetPercent(), 100), Seed(spec.GetData().GetSeed())},
		Preallocate:         spec.GetPreallocate(),
		Pattern:             patternOf(spec.GetPattern()),
		Concurrency:         spec.GetConcurrency(),
		StartDelayNano:      durationOrNone(spec.GetStartDelayNano()),
		ThinkTimeNano:       durationOrNone(spec.GetThinkTimeNano()),
		Verify:              verifyOf(spec.GetVerify()),
		StopOnError:         spec.GetStopOnError(),
		ReserveBytes:        spec.GetReserveBytes(),
		ReserveInodes:       spec.GetReserveInodes(),
	}
	for _, s := range spec.GetChunkSizes()[:min(len(spec.GetChunkSizes()), maxChunkSizes)] {
		c.ChunkSizes = append(c.ChunkSizes, WeightedSize{s.GetSizeBytes(), s.GetWeight()})
	}
	c.Text = c.line()
	return c
}

func syncOf(p bulkheadv1.SyncPolicy) string {
	switch p {
	case bulkheadv1.SyncPolicy_SYNC_POLICY_NONE:
		return "none"
	case bulkheadv1.SyncPolicy_SYNC_POLICY_FILE:
		return "file"
	case bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK:
		return "chunk"
	case bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES:
		return "bytes"
	case bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC:
		return "dsync"
	default:
		return unknownValue(p)
	}
}

func dataOf(k bulkheadv1.DataKind) string {
	switch k {
	case bulkheadv1.DataKind_DATA_KIND_RANDOM:
		return "random"
	case bulkheadv1.DataKind_DATA_KIND_ZEROS:
		return "zeros"
	case bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE:
		return "compressible"
	case bulkheadv1.DataKind_DATA_KIND_DEDUPABLE:
		return "dedupable"
	default:
		return unknownValue(k)
	}
}

func patternOf(p bulkheadv1.Pattern) string {
	switch p {
	case bulkheadv1.Pattern_PATTERN_SEQUENTIAL:
		return "sequential"
	case bulkheadv1.Pattern_PATTERN_RANDOM:
		return "random"
	case bulkheadv1.Pattern_PATTERN_APPEND:
		return "append"
	default:
		return unknownValue(p)
	}
}

func verifyOf(m bulkheadv1.VerifyMode) string {
	switch m {
	case bulkheadv1.VerifyMode_VERIFY_MODE_OFF:
		return "off"
	case bulkheadv1.VerifyMode_VERIFY_MODE_ROLLOVER:
		return "at-rollover"
	case bulkheadv1.VerifyMode_VERIFY_MODE_END:
		return "at-end"
	case bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS:
		return "continuous"
	default:
		return unknownValue(m)
	}
}

// numberOrNone returns x, or 0 if it is no number that can be a rate or a share.
func numberOrNone(x float64) float64 {
	if !(x > 0) || math.IsInf(x, 1) {
		return 0
	}
	return x
}

// copied returns w with lists of its own.
func (w *Workload) copied() Workload {
	c := *w
	c.StopWhen = copyOf(w.StopWhen)
	c.Consumers = slices.Clone(w.Consumers)
	for i := range c.Consumers {
		c.Consumers[i] = c.Consumers[i].copied()
	}
	return c
}

func (c *Consumer) copied() Consumer {
	out := *c
	out.ChunkSizes = slices.Clone(c.ChunkSizes)
	return out
}
