package client

import (
	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/pathname"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// specOf is what a consumer writes, in wire form.
func specOf(index int, c spec.Consumer, dirs *site.Folders) *bulkheadv1.ConsumerSpec {
	path, raw := pathname.Wire(dirs.Consumers[index])
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
		ReserveBytes:        dirs.Reserves[index].Bytes,
		ReserveInodes:       dirs.Reserves[index].Inodes,
	}
	if c.MinFileSize < c.FileSize {
		spec.MinFileSizeBytes = c.MinFileSize
	}
	if len(c.ChunkSizes) > 1 {
		for _, one := range c.ChunkSizes {
			spec.ChunkSizes = append(spec.ChunkSizes, &bulkheadv1.WeightedSize{SizeBytes: one.Bytes, Weight: one.Weight})
		}
	}
	return spec
}
