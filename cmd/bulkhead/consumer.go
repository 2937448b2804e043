package main

import (
	"bulkhead/client/spec"
	"bulkhead/internal/config"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// consumerConfig is the settings of one consumer in the client's own form.
func consumerConfig(c config.Consumer) spec.Consumer {
	out := spec.Consumer{
		Path: c.Path, ChunkSize: uint64(c.ChunkSize.Largest()),
		FileSize: uint64(c.FileSize.Max), MinFileSize: uint64(c.FileSize.Min),
		Direct: c.Direct, Sync: syncPolicy(c.Sync.Policy), SyncBytes: uint64(c.Sync.Every),
		RateBytes: uint64(c.Rate.Bytes), RateChunks: c.Rate.Chunks,
		Data: dataKind(c.Data.Kind), DataPercent: uint32(c.Data.Percent), Seed: c.Seed,
		Preallocate: c.Preallocate, Pattern: pattern(c.Pattern), Concurrency: uint32(c.Concurrency),
		StartDelay: c.StartDelay, ThinkTime: c.ThinkTime, KeepFiles: uint32(c.KeepFiles), Recycle: c.Recycle,
		Verify:        verifyMode(c.Verify),
		Reserve:       spec.Reserve{Bytes: uint64(c.Reserve.Size), Percent: uint32(c.Reserve.Percent)},
		ReserveInodes: spec.InodeReserve{Count: uint64(c.ReserveInodes.Count), Percent: uint32(c.ReserveInodes.Percent)},
		StopOnError:   c.OnError == config.OnErrorStop,
	}
	for _, one := range c.ChunkSize {
		out.ChunkSizes = append(out.ChunkSizes, spec.WeightedSize{Bytes: uint64(one.Size), Weight: uint32(one.Weight)})
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
