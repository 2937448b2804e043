package config

import (
	"bulkhead/internal/config/value"
	"bulkhead/internal/workload"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Load returns c in the form that has the rules for it, but for what its consumers write.
func (c *Client) Load() workload.Load {
	return workload.Load{
		Consumers: c.ConsumerCount, Runtime: c.Runtime, Ramp: c.Ramp, Warmup: c.Warmup,
		TotalBytes: uint64(c.TotalSize), Stages: c.Stages,
		SteadyWindow:      c.StopWhen.Window,
		HeartbeatInterval: c.Heartbeat.Interval, HeartbeatTimeout: c.Heartbeat.Timeout,
		MonitorInterval: c.MonitorInterval, ProgressInterval: c.ProgressInterval,
		LogInterval: c.Log.ProgressInterval, StallAfter: c.StallAfter, ConnectTimeout: c.ConnectTimeout,
		KillTimeout: c.KillTimeout, DeliverTimeout: c.DeliverTimeout,
		SpoolMemory: uint64(c.Spool.Memory), SpoolMaxSize: uint64(c.Spool.MaxSize),
	}
}

// Workload returns c in the form that has the rules for it, and that clients use.
func (c Consumer) Workload() workload.Consumer {
	return workload.Consumer{
		Path: c.Path, ChunkSize: uint64(c.ChunkSize.Largest()), ChunkSizes: c.ChunkSize.Weighted(),
		FileSize: uint64(c.FileSize.Max), MinFileSize: uint64(c.FileSize.Min),
		Direct: c.Direct, Sync: syncPolicy(c.Sync.Policy), SyncBytes: uint64(c.Sync.Every),
		RateBytes: uint64(c.Rate.Bytes), RateChunks: c.Rate.Chunks,
		Data: dataKind(c.Data.Kind), DataPercent: uint32(c.Data.Percent), Seed: c.Seed,
		Preallocate: c.Preallocate, Pattern: pattern(c.Pattern), Concurrency: uint32(c.Concurrency),
		StartDelay: c.StartDelay, ThinkTime: c.ThinkTime, KeepFiles: uint32(c.KeepFiles), Recycle: c.Recycle,
		Verify:  verifyMode(c.Verify),
		Reserve: workload.Reserve{Bytes: uint64(c.Reserve.Size), Percent: uint32(c.Reserve.Percent)},
		ReserveInodes: workload.InodeReserve{Count: uint64(c.ReserveInodes.Count),
			Percent: uint32(c.ReserveInodes.Percent)},
		StopOnError: c.OnError == OnErrorStop,
		Readers:     uint32(c.Readers),
		Read: workload.Read{RateBytes: uint64(c.Read.Rate.Bytes), RateOps: c.Read.Rate.Ops,
			Pattern: pattern(c.Read.Pattern), Size: uint64(c.Read.Size), Verify: c.Read.Verify, Of: readOf(c.Read.Of)},
	}
}

func syncPolicy(p value.SyncPolicy) bulkheadv1.SyncPolicy {
	return map[value.SyncPolicy]bulkheadv1.SyncPolicy{
		value.SyncNone:  bulkheadv1.SyncPolicy_SYNC_POLICY_NONE,
		value.SyncFile:  bulkheadv1.SyncPolicy_SYNC_POLICY_FILE,
		value.SyncChunk: bulkheadv1.SyncPolicy_SYNC_POLICY_CHUNK,
		value.SyncBytes: bulkheadv1.SyncPolicy_SYNC_POLICY_BYTES,
		value.SyncDSync: bulkheadv1.SyncPolicy_SYNC_POLICY_DSYNC,
	}[p]
}

func dataKind(k value.DataKind) bulkheadv1.DataKind {
	return map[value.DataKind]bulkheadv1.DataKind{
		value.DataRandom:       bulkheadv1.DataKind_DATA_KIND_RANDOM,
		value.DataZeros:        bulkheadv1.DataKind_DATA_KIND_ZEROS,
		value.DataCompressible: bulkheadv1.DataKind_DATA_KIND_COMPRESSIBLE,
		value.DataDedupable:    bulkheadv1.DataKind_DATA_KIND_DEDUPABLE,
	}[k]
}

func pattern(p Pattern) bulkheadv1.Pattern {
	return map[Pattern]bulkheadv1.Pattern{
		PatternSequential: bulkheadv1.Pattern_PATTERN_SEQUENTIAL,
		PatternRandom:     bulkheadv1.Pattern_PATTERN_RANDOM,
		PatternAppend:     bulkheadv1.Pattern_PATTERN_APPEND,
	}[p]
}

func readOf(o ReadOf) bulkheadv1.ReadOf {
	return map[ReadOf]bulkheadv1.ReadOf{
		ReadOfFinished:  bulkheadv1.ReadOf_READ_OF_FINISHED,
		ReadOfNeighbour: bulkheadv1.ReadOf_READ_OF_NEIGHBOUR,
	}[o]
}

func verifyMode(v Verify) bulkheadv1.VerifyMode {
	return map[Verify]bulkheadv1.VerifyMode{
		VerifyOff:        bulkheadv1.VerifyMode_VERIFY_MODE_OFF,
		VerifyAtRollover: bulkheadv1.VerifyMode_VERIFY_MODE_ROLLOVER,
		VerifyAtEnd:      bulkheadv1.VerifyMode_VERIFY_MODE_END,
		VerifyContinuous: bulkheadv1.VerifyMode_VERIFY_MODE_CONTINUOUS,
	}[v]
}
