package workload

import (
	"time"

	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Wire returns c in wire form, for the consumer of that index. What is left free of a file system
// is not in it: the client knows how much that is.
func (c Consumer) Wire(index int) *bulkheadv1.ConsumerSpec {
	path, raw := pathname.Wire(c.Path)
	spec := &bulkheadv1.ConsumerSpec{
		Index:               uint32(index),
		Path:                path,
		PathBytes:           raw,
		ChunkSizeBytes:      c.ChunkSize,
		FileSizeBytes:       c.FileSize,
		KeepFiles:           c.KeepFiles,
		Sync:                c.Sync,
		Direct:              c.Direct,
		SyncBytes:           c.SyncBytes,
		RateBytesPerSecond:  c.RateBytes,
		RateChunksPerSecond: c.RateChunks,
		Data:                &bulkheadv1.DataSpec{Kind: c.Data, Percent: c.DataPercent, Seed: c.Seed},
		Preallocate:         c.Preallocate,
		Pattern:             c.Pattern,
		Concurrency:         c.Concurrency,
		StartDelayNano:      int64(c.StartDelay),
		ThinkTimeNano:       int64(c.ThinkTime),
		Verify:              c.Verify,
		StopOnError:         c.StopOnError,
		Recycle:             c.Recycle,
	}
	if c.MinFileSize < c.FileSize {
		spec.MinFileSizeBytes = c.MinFileSize
	}
	if len(c.ChunkSizes) > 1 {
		for _, one := range c.ChunkSizes {
			spec.ChunkSizes = append(spec.ChunkSizes,
				&bulkheadv1.WeightedSize{SizeBytes: one.Bytes, Weight: one.Weight})
		}
	}
	if c.Readers > 0 || c.Read.Neighbours() {
		spec.Read = &bulkheadv1.ReadSpec{Readers: c.Readers, SizeBytes: c.Read.Size, Pattern: c.Read.Pattern,
			RateBytesPerSecond: c.Read.RateBytes, RateOperationsPerSecond: c.Read.RateOps, Verify: c.Read.Compares(),
			Of: c.Read.Of}
	}
	return spec
}

// Of returns what a consumer is told to write on the wire, as it stands there.
func Of(spec *bulkheadv1.ConsumerSpec) Consumer {
	c := Consumer{
		Path:        pathname.Of(spec),
		ChunkSize:   spec.GetChunkSizeBytes(),
		FileSize:    spec.GetFileSizeBytes(),
		MinFileSize: spec.GetMinFileSizeBytes(),
		Direct:      spec.GetDirect(),
		Sync:        spec.GetSync(),
		SyncBytes:   spec.GetSyncBytes(),
		RateBytes:   spec.GetRateBytesPerSecond(),
		RateChunks:  spec.GetRateChunksPerSecond(),
		Data:        spec.GetData().GetKind(),
		DataPercent: spec.GetData().GetPercent(),
		Seed:        spec.GetData().GetSeed(),
		Preallocate: spec.GetPreallocate(),
		Pattern:     spec.GetPattern(),
		Concurrency: spec.GetConcurrency(),
		StartDelay:  time.Duration(spec.GetStartDelayNano()),
		ThinkTime:   time.Duration(spec.GetThinkTimeNano()),
		KeepFiles:   spec.GetKeepFiles(),
		Recycle:     spec.GetRecycle(),
		Verify:      spec.GetVerify(),
		Reserve:     Reserve{Bytes: spec.GetReserveBytes()},
		ReserveInodes: InodeReserve{
			Count: spec.GetReserveInodes()},
		StopOnError: spec.GetStopOnError(),
		Readers:     spec.GetRead().GetReaders(),
		Read: Read{
			RateBytes: spec.GetRead().GetRateBytesPerSecond(),
			RateOps:   spec.GetRead().GetRateOperationsPerSecond(),
			Pattern:   spec.GetRead().GetPattern(),
			Size:      spec.GetRead().GetSizeBytes(),
			Verify:    spec.GetRead().GetVerify(),
			Of:        spec.GetRead().GetOf(),
		},
	}
	for _, one := range spec.GetChunkSizes() {
		c.ChunkSizes = append(c.ChunkSizes, WeightedSize{Bytes: one.GetSizeBytes(), Weight: one.GetWeight()})
	}
	return c
}
