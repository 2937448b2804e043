package spec

import (
	"bulkhead/internal/config"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Of returns the settings of a client in the client's own form. A 0 in them is 0, and stands
// for no default.
func Of(c config.Client) Config {
	out := Config{
		Supervisor: c.Supervisor, Name: c.Name, Labels: c.Labels, Token: c.Token,
		Runtime: c.Runtime, ConnectTimeout: c.ConnectTimeout, KillTimeout: c.KillTimeout, DeliverTimeout: c.DeliverTimeout,
		TotalBytes: uint64(c.TotalSize), Ramp: c.Ramp, Steady: Steady{Window: c.StopWhen.Window, MaxVariation: c.StopWhen.Variation},
		Keep: c.Keep, StallAfter: c.StallAfter,
		HeartbeatInterval: c.Heartbeat.Interval, HeartbeatTimeout: c.Heartbeat.Timeout,
		LogProgress: c.Log.ProgressInterval, MonitorInterval: c.MonitorInterval, ProgressInterval: c.ProgressInterval,
		SpoolMemory: uint64(c.Spool.Memory), SpoolMaxSize: uint64(c.Spool.MaxSize), WorkDir: c.WorkDir,
	}
	for _, one := range c.Consumers() {
		out.Consumers = append(out.Consumers, consumerOf(one))
	}
	return out
}

// consumerOf returns the settings of one consumer in the client's own form.
func consumerOf(c config.Consumer) Consumer {
	out := Consumer{
		Path: c.Path, ChunkSize: uint64(c.ChunkSize.Largest()),
		FileSize: uint64(c.FileSize.Max), MinFileSize: uint64(c.FileSize.Min),
		Direct: c.Direct, Sync: syncPolicy(c.Sync.Policy), SyncBytes: uint64(c.Sync.Every),
		RateBytes: uint64(c.Rate.Bytes), RateChunks: c.Rate.Chunks,
		Data: dataKind(c.Data.Kind), DataPercent: uint32(c.Data.Percent), Seed: c.Seed,
		Preallocate: c.Preallocate, Pattern: pattern(c.Pattern), Concurrency: uint32(c.Concurrency),
		StartDelay: c.StartDelay, ThinkTime: c.ThinkTime, KeepFiles: uint32(c.KeepFiles), Recycle: c.Recycle,
		Verify:        verifyMode(c.Verify),
		Reserve:       Reserve{Bytes: uint64(c.Reserve.Size), Percent: uint32(c.Reserve.Percent)},
		ReserveInodes: InodeReserve{Count: uint64(c.ReserveInodes.Count), Percent: uint32(c.ReserveInodes.Percent)},
		StopOnError:   c.OnError == config.OnErrorStop,
	}
	for _, one := range c.ChunkSize {
		out.ChunkSizes = append(out.ChunkSizes, WeightedSize{Bytes: uint64(one.Size), Weight: uint32(one.Weight)})
	}
	return out
}

func syncPolicy(p config.SyncPolicy) bulkheadv1.SyncPolicy {
	return map[config.SyncPolicy]bulkheadv1.SyncPolicy{
		config.SyncNone:  bulkheadv1.SyncPolicy_SYNC_POLICY_NONE,
		config.SyncFile:  bulkheadv1.SyncPolicy_SYNC_POLICY_FILE,
		config.SyncChunk: bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK,
		config.SyncBytes: bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES,
		config.SyncDSync: bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC,
	}[p]
}

func dataKind(k config.DataKind) bulkheadv1.DataKind {
	return map[config.DataKind]bulkheadv1.DataKind{
		config.DataRandom:       bulkheadv1.DataKind_DATA_KIND_RANDOM,
		config.DataZeros:        bulkheadv1.DataKind_DATA_KIND_ZEROS,
		config.DataCompressible: bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE,
		config.DataDedupable:    bulkheadv1.DataKind_DATA_KIND_DEDUPABLE,
	}[k]
}

func pattern(p config.Pattern) bulkheadv1.Pattern {
	return map[config.Pattern]bulkheadv1.Pattern{
		config.PatternSequential: bulkheadv1.Pattern_PATTERN_SEQUENTIAL,
		config.PatternRandom:     bulkheadv1.Pattern_PATTERN_RANDOM,
		config.PatternAppend:     bulkheadv1.Pattern_PATTERN_APPEND,
	}[p]
}

func verifyMode(v config.Verify) bulkheadv1.VerifyMode {
	return map[config.Verify]bulkheadv1.VerifyMode{
		config.VerifyOff:        bulkheadv1.VerifyMode_VERIFY_MODE_OFF,
		config.VerifyAtRollover: bulkheadv1.VerifyMode_VERIFY_MODE_ROLLOVER,
		config.VerifyAtEnd:      bulkheadv1.VerifyMode_VERIFY_MODE_END,
		config.VerifyContinuous: bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS,
	}[v]
}
